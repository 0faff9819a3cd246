import json
import re
import shutil

import pytest

from helpers import HOSTILE, Page, audit_row, copied, forge, train, written
from vaecli.config import config_from_text
from vaecli.errors import RunError
from vaecli.evaluation.references import compute
from vaecli.reports.comparison import page
from vaecli.reports.comparison.again import groups_of
from vaecli.reports.comparison.groups import compared
from vaecli.reports.comparison.page import report_folder, write_report
from vaecli.runs import Run
from vaecli.runs.audits import audit_of


def test_a_comparison_whose_file_is_gone_is_a_line(tmp_path):
    with pytest.raises(RunError, match=r"comparison\.json: cannot be read \(No such file or directory\)$"):
        groups_of(tmp_path)


@pytest.fixture(scope="module")
def trained(finished, tmp_path_factory):
    """Codes at two seeds, and a Gaussian: two groups, with references."""
    folder = tmp_path_factory.mktemp("outputs")
    runs = [finished(method, seed=seed) for method in ("gumbel", "categorical") for seed in (0, 1)]
    runs.append(finished("vae"))
    list(compute([run.config for run in runs], folder, None, lambda line: None))
    copies = [copied(run, folder) for run in runs]
    for copy in copies:
        forge(copy, lambda info: info.update(argv=["/bin/vaecli", "compare", HOSTILE]))
    return [Run(copy.path) for copy in copies]


@pytest.fixture
def groups(trained):
    return compared(trained)


def pictures(html):
    """The titles of the figures on a page, in their order."""
    return re.findall("<figure>\\s*<b>(.*?)</b>", html)


EACH = ["Test images, and what each method makes of them", "Test error during training", "Test error against the rate"]
ALL = ["mse sampled, per pixel", *EACH, "What each code draws"]


def test_the_page_has_the_intervals_and_a_picture_of_each_kind(groups, tmp_path):
    write_report(groups, {}, tmp_path)
    html = (tmp_path / "report.html").read_text()
    assert pictures(html) == ALL
    assert html.index(ALL[0]) < html.index("<table") < html.index(ALL[1])


def test_it_tells_table_sentences_protocol_environment_and_commands(groups, tmp_path):
    write_report(groups, {"vqvae-1-s0": "diverged in epoch 1"}, tmp_path)
    text = Page((tmp_path / "report.html").read_text()).text
    for words in (
        "No gradient reaches encoder/",
        "latent Gaussian, 10 dimensions",
        "lowest",
        "5 runs on digits; seeds 0, 1.",
        "vqvae-1-s0: diverged in epoch 1",
        "as good as its reference",
        "share of the way from the mean image",
        "tensorflow",
        "vaecli compare",
        "model.num_classes",
    ):
        assert words in text


def test_the_same_runs_give_the_same_bytes(groups, tmp_path):
    for name in ("one", "two"):
        assert write_report(groups, {}, tmp_path / name).drawn
    files = written(tmp_path / "one")
    assert files == written(tmp_path / "two")
    assert len(files) == 8
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)


def test_what_is_there_is_not_drawn_again_and_what_has_changed_is(groups, tmp_path, monkeypatch):
    assert write_report(groups, {}, tmp_path).drawn
    with monkeypatch.context() as nothing_is_drawn:
        nothing_is_drawn.setattr(page, "_draw", None)
        assert not write_report(groups, {}, tmp_path).drawn
    assert write_report(groups, {"a": "failed"}, tmp_path).drawn
    (tmp_path / "loss.png").unlink()
    assert write_report(groups, {"a": "failed"}, tmp_path).drawn
    (tmp_path / "comparison.json").write_text("{")
    assert write_report(groups, {"a": "failed"}, tmp_path).drawn


def test_a_picture_that_fails_is_said_and_left_out_and_drawn_the_next_time(groups, tmp_path, monkeypatch):
    from vaecli.reports.comparison import figures

    def fail(scene, width):
        raise OverflowError("Exceeded cell block limit")

    with monkeypatch.context() as broken:
        broken.setattr(figures, "loss_curves", fail)
        line = f"{tmp_path}/loss.png: could not be drawn (OverflowError: Exceeded cell block limit)"
        assert write_report(groups, {}, tmp_path) == (True, [line])
    assert pictures((tmp_path / "report.html").read_text()) == ALL
    assert (tmp_path / "comparison.csv").is_file()
    assert write_report(groups, {}, tmp_path) == (True, [])
    assert (tmp_path / "loss.png").is_file()


def test_a_picture_of_the_page_that_fails_is_said_and_left_out_and_drawn_the_next_time(groups, tmp_path, monkeypatch):
    from vaecli.reports.comparison import pictures as of_page

    def fail(scene):
        raise ValueError("no such thing")

    with monkeypatch.context() as broken:
        broken.setattr(of_page, "loss_curves", fail)
        line = f"{tmp_path}/report.html, loss 1: could not be drawn (ValueError: no such thing)"
        assert write_report(groups, {}, tmp_path) == (True, [line])
    assert pictures((tmp_path / "report.html").read_text()) == [title for title in ALL if title != EACH[1]]
    assert write_report(groups, {}, tmp_path) == (True, [])
    assert pictures((tmp_path / "report.html").read_text()) == ALL


def test_the_pages_pictures_are_of_no_more_protocols_than_one_can_look_at(groups, tmp_path, monkeypatch):
    monkeypatch.setattr("vaecli.reports.comparison.panels.MOST_SCENES", 0)
    line = "data digits, epochs 2: figures show 0 of 3 rows; the table has all"
    assert write_report(groups, {}, tmp_path).lines == [line]
    html = (tmp_path / "report.html").read_text()
    assert line in Page(html).text
    assert pictures(html) == ALL[:1]


def test_a_page_never_stands_beside_figures_of_other_runs(groups, tmp_path, monkeypatch):
    write_report(groups, {}, tmp_path)

    def killed(scenes, folder, say):
        raise KeyboardInterrupt

    monkeypatch.setattr(page, "_draw", killed)
    with pytest.raises(KeyboardInterrupt):
        write_report(groups, {"a": "failed"}, tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_the_records_are_kept_as_json(groups, tmp_path):
    write_report(groups, {}, tmp_path)
    records = json.loads((tmp_path / "comparison.json").read_text())["records"]
    assert [(row["method"], row["runs"]) for row in records if row["method"] == "vae"] == [("vae", 1)]
    assert len((tmp_path / "comparison.csv").read_text().splitlines()) == 1 + len(records)


def test_the_folder_is_named_by_the_runs_whatever_their_order(tmp_path):
    one = report_folder(tmp_path, ["a-s0", "b-s0"])
    assert one == report_folder(tmp_path, ["b-s0", "a-s0", "b-s0"])
    assert one != report_folder(tmp_path, ["a-s0", "b-s1"])
    assert re.fullmatch("compare-[0-9a-f]{8}", one.name)


@pytest.mark.parametrize(
    "model", ["{name: gumbel, num_latents: 2, num_classes: 3}", "{name: vae, latent_dim: 2}", "vqvae"]
)
def test_one_run_alone_of_any_latent_has_a_page(tmp_path, model):
    config = config_from_text(f"model: {model}\ndata: digits\nnetwork: {{hidden: [8]}}\ntraining: {{epochs: 1}}")
    write_report(compared([train(config, tmp_path)]), {}, tmp_path / "report")
    assert "One seed gives no interval" in (tmp_path / "report" / "report.html").read_text()


def test_a_space_is_between_what_it_says_of_one_seed_and_of_two_protocols(finished, tmp_path):
    write_report(compared([finished("gumbel"), finished("vae")]), {}, tmp_path)
    text = Page((tmp_path / "report.html").read_text()).text
    assert re.search(r"of this seed alone\.\s+Runs of different protocol", text)


def test_runs_of_two_protocols_have_figures_of_their_own(trained, finished, tmp_path):
    longer = finished("gumbel", epochs=3)
    write_report(compared([*trained, longer]), {}, tmp_path / "report")
    figures = json.loads((tmp_path / "report" / "comparison.json").read_text())["figures"]
    assert {name.partition("-")[2] for name in figures} == {"1.png", "2.png"}


def test_a_run_without_its_environment_is_still_told(trained, tmp_path):
    run = trained[0]
    copy = copied(run, tmp_path)
    copy = forge(copy, lambda info: info.update(git_commit=None, argv=[]))
    write_report(compared([copy]), {}, tmp_path / "report")
    assert "source commit" not in (tmp_path / "report" / "report.html").read_text()


def test_the_page_tells_of_audits_of_its_runs_and_of_no_others(groups, trained, tmp_path):
    rows = [audit_row("rloo", 0.01, 1.2, told=False), audit_row("gumbel", 0.8, 0.5, temperature=1.0)]
    audits = []
    assert write_report(groups, {}, tmp_path).drawn
    for title, run in (("audit <b>of</b> mine", trained[0].name), ("audit of another", "other")):
        asked = {"subject": {"run": run, "weights": "first"}}
        audits.append(audit_of(asked, trained[0].path.parent))
        audits[-1].write({"title": title, "asked": asked, "left_out": {}, "finished": True}, rows)
    assert write_report(groups, {}, tmp_path).drawn  # drawn again, because there is something new
    assert not write_report(groups, {}, tmp_path).drawn
    html = (tmp_path / "report.html").read_text()
    assert "audit &lt;b&gt;of&lt;/b&gt; mine" in html
    assert "audit of another" not in html
    assert pictures(html) == [*ALL, "Squared bias against variance"]
    assert "With a bias not distinguishable from 0, rloo has the least spread" in html
    for audit in audits:
        shutil.rmtree(audit.path)
