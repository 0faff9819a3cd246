"""Pages as a browser shows them; skipped where there is no Chromium."""

import os
import re
from pathlib import Path

import pytest

from browser import CHROMIUM, Browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: chromium or google-chrome on the PATH")
KINDS = ("comparison", "run", "audit", "reproduction")
AXE = Path(os.environ.get("AXE_CORE", "nowhere"), "axe.min.js")

WIDER = """
[...document.querySelectorAll("body *")].filter((e) => !e.closest(".wide > *, defs, .unseen, #tip")
    && e.getClientRects().length && e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
    .map((e) => e.outerHTML.slice(0, 80))
"""
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
TIP = 'document.querySelector("#tip").textContent'
LETTERS = """
[...document.querySelectorAll(".chart text")]
    .map((text) => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a)
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture
def comparison(browser, pages):
    browser.open(pages["comparison"])
    return browser


def column(browser, number):
    return browser.value(
        f'[...document.querySelector("table.data").tBodies[0].rows].map((r) => r.cells[{number}].innerText)'
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_wider_than_the_page(kind, width, dark, pages, browser):
    browser.open(pages[kind], width=width, dark=dark)
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value(WIDER) == []


@pytest.mark.parametrize("kind", KINDS)
def test_letters_of_charts_are_legible_on_a_phone(kind, pages, browser):
    browser.open(pages[kind], width=400)
    assert min(browser.value(LETTERS)) >= 9


@pytest.mark.parametrize("kind", KINDS)
def test_no_request_leaves_a_page_and_no_script_fails(kind, pages, browser):
    browser.open(pages[kind])
    asked = [address for address in browser.requests if not address.startswith("data:")]
    assert asked == [pages[kind].as_uri()]
    sent = "fetch('https://example.org').then(() => 'sent', () => 'refused')"
    assert browser.value(sent) == "refused"
    assert browser.value('document.documentElement.querySelector(".theme") !== null && !window.alerted')


def test_colours_follow_the_system_and_the_switch(browser, pages):
    seen = {}
    for dark in (False, True):
        browser.open(pages["run"], dark=dark)
        seen[dark] = browser.value(BACKGROUND)
        browser.value('document.querySelector(".theme").click()')
        assert browser.value(BACKGROUND) != seen[dark]
        browser.value('document.querySelector(".theme").click()')
        assert browser.value(BACKGROUND) == seen[dark]
    assert seen[False] == "rgb(255, 255, 255)" != seen[True]


def test_a_point_says_its_values_to_the_mouse(comparison):
    chart = 'document.querySelectorAll("figure .chart")[1]'
    comparison.value(f"{chart}.scrollIntoView()")
    at = f"""(() => {{
        const line = {chart}.querySelector("[data-tips] polyline.line"), point = line.points[0];
        const place = new DOMPoint(point.x, point.y).matrixTransform(line.getScreenCTM());
        return [place.x, place.y];
    }})()"""
    x, y = comparison.value(at)
    comparison.move(x + 2, y + 2)
    assert re.fullmatch(r".+, epoch 1: 0\.\d{4}( \(.*\))?", comparison.value(TIP))
    assert comparison.value(f'{chart}.querySelector(".ring").getAttribute("r")') == "6"
    comparison.move(2, 2)
    assert comparison.value(TIP) == ""


def test_an_image_says_its_error_to_the_mouse(comparison):
    tile = 'document.querySelectorAll(".tiles .row")[1].querySelector("img")'
    comparison.value(f"{tile}.scrollIntoView({{block: 'center'}})")
    box = comparison.value(f"(() => {{ const b = {tile}.getBoundingClientRect(); return [b.x + 9, b.y + 9]; }})()")
    comparison.move(*box)
    assert re.fullmatch(r".+: squared error 0\.\d{4}", comparison.value(TIP))


def test_points_are_reached_by_keys(comparison):
    comparison.value('document.querySelector("figure .chart").focus()')
    said = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        comparison.press(key)
        said.append(comparison.value(TIP))
    assert said[0] == said[2] != said[1] != ""
    comparison.press("Escape")
    assert comparison.value(TIP) == ""


def test_a_name_in_the_legend_hides_its_line(comparison):
    entry = 'document.querySelector(".legend button")'
    name = comparison.value(f"{entry}.closest('li').dataset.of")
    hidden = "[...document.querySelectorAll('.off')].map((g) => g.dataset.name)"
    comparison.value(f"{entry}.focus()")
    comparison.press("Enter")
    assert set(comparison.value(hidden)) == {name}
    assert comparison.value(f"{entry}.getAttribute('aria-pressed')") == "false"
    comparison.press("Enter")
    assert comparison.value(hidden) == []


def test_a_column_sorts_by_its_numbers_up_down_and_back_by_keys(comparison):
    heads = comparison.value(
        '[...document.querySelectorAll("table.data")[0].tHead.rows[0].cells].map((c) => c.innerText)'
    )
    place = next(number for number, head in enumerate(heads) if head.startswith("mse mode"))
    before = column(comparison, place)
    comparison.value(f'document.querySelectorAll("table.data th button")[{place}].focus()')

    def numbers():
        return [float(text.split()[0]) for text in column(comparison, place)]

    comparison.press("Enter")
    assert numbers() == sorted(numbers())
    comparison.press("Enter")
    assert numbers() == sorted(numbers(), reverse=True)
    assert comparison.value('document.querySelectorAll("[aria-sort=descending]").length') == 1
    comparison.press("Enter")
    assert column(comparison, place) == before


def test_what_is_behind_sorts_from_the_lowest_and_empty_cells_are_last(comparison):
    comparison.value('document.querySelectorAll("table.data th button")[2].click()')
    assert column(comparison, 2)[0] == "lowest"
    heads = comparison.value(
        '[...document.querySelectorAll("table.data")[0].tHead.rows[0].cells].map((c) => c.innerText)'
    )
    place = next(number for number, head in enumerate(heads) if head.startswith("mse relaxed"))
    for _ in range(2):
        comparison.value(f'document.querySelectorAll("table.data th button")[{place}].click()')
        cells = column(comparison, place)
        assert cells[0] != "" == cells[-1]


def test_a_filter_leaves_the_rows_with_all_its_words(comparison):
    comparison.value("document.querySelector('.find').value = 'GUMBEL 0'")
    comparison.value("document.querySelector('.find').dispatchEvent(new Event('input'))")
    rows = "[...document.querySelector('table.data').tBodies[0].rows].filter((row) => !row.hidden)"
    assert comparison.value(f"{rows}.map((row) => row.cells[0].innerText)") == ["gumbel"]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_printed_whole_in_light_colours(kind, pages, browser, tmp_path):
    browser.open(pages[kind], dark=True)
    browser.value('document.querySelector(".theme").click(); document.querySelector(".theme").click()')
    browser("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert browser.value(BACKGROUND) == "rgb(255, 255, 255)"
    hidden = "[...document.querySelectorAll('.theme, .find, #tip')].map((e) => getComputedStyle(e).display)"
    assert set(browser.value(hidden)) == {"none"}
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 12


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core: AXE_CORE names the folder of its axe.min.js")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_no_fault(kind, width, dark, pages, browser):
    browser.open(pages[kind], width=width, dark=dark)
    browser.value(AXE.read_text(encoding="utf-8") + "; true")
    browser.value("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = browser.value("axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes.length, v.nodes[0].html]))")
    assert found == []
