"""What is true of every page, whatever shows it."""

import base64
import hashlib
import re
import string

import pytest

from helpers import HOSTILE, Page
from vaecli.reports.page.render import HERE

CSS = (HERE / "page.css").read_text(encoding="utf-8")
COLOURS = dict(re.findall(r"--(\w+): light-dark\((#\w{6}, #\w{6})\)", CSS))
READ = ("text", "soft", "link", "bad")  # as letters, on the page and on a shade
SEEN = ("guide", *(f"c{number}" for number in range(7)))  # as lines and marks


def test_it_needs_nothing_but_itself_and_lets_nothing_out(page):
    html = page.read_text()
    found = Page(html)
    assert not found.all("link", "iframe", "object", "embed", "base", "form")
    assert not re.findall(r"url\(|@import", html)
    addresses = [a[key] for _, a in found.tags for key in ("src", "href") if key in a]
    assert all(re.match(r"data:image/|#|\.\./|config\.yaml$", address) for address in addresses)
    (policy,) = [a["content"] for a in found.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-" in policy


def test_its_own_script_alone_may_run(page):
    html = page.read_text()
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [a["content"] for a in Page(html).all("meta") if "http-equiv" in a]
    assert f"script-src 'sha256-{digest}';" in policy


def test_what_a_user_wrote_is_text_and_never_markup(page):
    html = page.read_text()
    assert HOSTILE not in html
    assert HOSTILE in Page(html).text.replace("'\"'\"'", "'")  # the command, quoted for a shell


def test_it_says_what_readers_and_their_tools_need(page):
    found = Page(page.read_text())
    assert [a["lang"] for a in found.all("html")] == ["en"]
    assert len(found.all("title")) == len(found.all("h1")) == len(found.all("main")) == 1
    assert all(a.get("alt") for a in found.all("img"))
    assert all(a.get("aria-label") or a.get("aria-hidden") for a in found.all("svg"))
    assert all(a.get("scope") for a in found.all("th"))
    ids = [a["id"] for _, a in found.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"] for a in found.all("use")} <= {f"#{name}" for name in ids}


def test_the_sentence_is_first_then_the_figure_then_the_table(page):
    html = page.read_text()
    places = [html.index(mark) for mark in ('class="lead"', "<figure>", "<table")]
    assert places == sorted(places)
    thresholds = [place for place in (html.find("thresholds of these"), html.find("Tolerance, protocol")) if place > 0]
    assert all(html.rindex("<details>", 0, place) > html.rindex("</details>", 0, place) for place in thresholds[1:])


def test_all_of_it_is_small(pages):
    assert max(page.stat().st_size for page in pages.values()) < 400_000
    assert (HERE / "page.js").stat().st_size < 8_000
    assert (HERE / "page.css").stat().st_size < 9_000


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_letters_and_lines_stand_out(theme):
    colours = {name: luminance(pair.split(", ")[theme]) for name, pair in COLOURS.items()}

    def contrast(one, two):
        low, high = sorted((colours[one], colours[two]))
        return (high + 0.05) / (low + 0.05)

    read = [(name, on) for name in READ for on in ("page", "shade")] + [("text", "heat")]
    assert [pair for pair in read if contrast(*pair) < 4.5] == []
    assert [name for name in SEEN if contrast(name, "page") < 3] == []


def test_every_colour_is_of_both_themes():
    used = set(re.findall(r"var\(--(\w+)\)", CSS)) - {"n"}
    assert used <= set(COLOURS)
    assert all(set(value) <= set(string.hexdigits + "#, ") for value in COLOURS.values())
    outside = re.sub(r"light-dark\([^)]*\)", "", CSS)
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b", outside) == []
