"""`vaecli audit`: what it measures, keeps, shows again, and refuses."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from helpers import written
from test_imports import loaded_after
from vaecli.auditing import audit, targets
from vaecli.auditing.audit import Asked, keys, left_out, perform
from vaecli.errors import Interrupted
from vaecli.registry import METHODS
from vaecli.runs.audits import Audit

ABOUT = {"title": "a toy", "asked": {}, "left_out": {}}

TOY = ("audit", "--objective", "quadratic", "--estimators", "exact,identity_st,reinmax", "--temperatures", "1,2")
QUICK = Asked(("categorical", "straight_through", "reinforce"), (1.0,), draws=256, warm_up=10, seed=0)


def without_time(rows):
    return [{**row, "milliseconds": None} for row in rows]


def test_a_toy_is_measured_drawn_and_shown_again(vaecli, tmp_path):
    first = vaecli(*TOY)
    assert first.exit_code == 0
    table = first.stdout.splitlines()
    assert table[0] == "logits' gradient"
    assert table[1].split()[:7] == ["estimator", "bias", "scaled", "bias", "std", "cosine", "mse"]
    assert [line.split()[0] for line in table[2:6]] == ["exact", "identity_st", "reinmax", "reinmax"]
    assert "4/4  reinmax at 2: bias" in first.stderr
    (folder,) = (tmp_path / "outputs").iterdir()
    assert written(folder) == ["audit.json", "bias_variance.png", "report.html", "temperature.png", "tensorflow.log"]
    second = vaecli(*TOY)
    assert second.stdout == first.stdout
    assert "4/4" not in second.stderr
    assert loaded_after(list(TOY), tmp_path) == "['matplotlib', 'numpy']"
    latex = vaecli(*TOY, "--latex", "--quiet").stdout.splitlines()
    assert r"identity\_st & " in "".join(latex)
    assert latex[-1] == r"\end{tabular}"
    both = vaecli(*TOY, "--latex", "--json")
    assert (both.exit_code, both.stderr) == (2, "--json and --latex exclude each other\n")
    with_json = vaecli(*TOY, "--json", "--quiet")
    assert with_json.stderr == ""
    rows = json.loads(with_json.stdout)["rows"]
    biased = next(row for row in rows if row["estimator"] == "identity_st")
    for figure in ("relative_bias", "scaled_bias", "relative_std", "cosine", "mse"):
        found = biased["logits"][figure]
        assert found["low"] <= found["value"] <= found["high"]
    assert biased["weights"] is None
    assert biased["milliseconds"] > 0
    logits = biased["logits"]
    squares = logits["relative_bias"]["value"] ** 2 + logits["relative_std"]["value"] ** 2
    assert squares == pytest.approx(logits["mse"]["value"])


def test_a_run_is_measured_on_its_checkpoints(vaecli, finished):
    run = finished("gumbel")
    command = ("audit", run.path.name, "--epochs", "0,2", "--estimators", "identity_st,exact", "--images", "16")
    result = vaecli(*command, "--draws", "256", "--output-dir", run.path.parent, "--json", "--format", "svg")
    assert result.exit_code == 0
    rows = json.loads(result.stdout)["rows"]
    assert [(row["estimator"], row["epoch"]) for row in rows] == [
        ("identity_st", 0),
        ("identity_st", 2),
        ("exact", 0),
        ("exact", 2),
    ]
    for row in rows[2:]:
        assert row["weights"]["relative_bias"]["value"] < 1e-4  # the other way to the exact gradient, in float32
    assert rows[0]["logits"] != rows[1]["logits"]
    (folder,) = run.path.parent.glob("audit-*")
    assert {"bias_variance.png", "training.png", "training.svg"} <= set(written(folder))
    shutil.rmtree(folder)  # the run is shared


def test_a_config_without_a_run_is_measured_at_its_first_weights(tmp_path):
    config = tmp_path / "mine.yaml"
    config.write_text("model: {name: rloo, num_draws: 3, num_latents: 2}\nnetwork: {hidden: [16]}\ndata: digits\n")
    found = find(str(config), tmp_path)
    assert "not trained" in found.title
    assert found.epochs == (0,)
    assert found.options == {"rloo": {"num_draws": 3}}
    subject, weights = found.build()
    assert subject.code_shape == (2, 10)
    assert len(weights[0]) == len(subject.variables)


def test_a_config_with_a_run_stands_for_it(finished):
    run = finished("gumbel")
    assert find(str(run.config_yaml), run.path.parent).title.startswith(f"{run.name}, 8 test images of digits")


def find(name, output_dir, *, epochs=(), images=8):
    return targets.find(name, epochs=epochs, images=images, seed=0, output_dir=output_dir, data_dir=None)


def test_an_audit_that_is_stopped_keeps_its_rows_and_goes_on_to_the_same(tmp_path):
    toy = targets.toy("linear", images=8, seed=0)
    whole, stopped = Audit(tmp_path / "whole"), Audit(tmp_path / "stopped")
    told = []
    perform(toy, QUICK, whole, ABOUT, told=lambda row, done, of: told.append((done, of)), stop=lambda: None)
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert whole.read()["finished"]
    with pytest.raises(Interrupted, match="1 of 3 measurements are kept") as stop:
        perform(toy, QUICK, stopped, ABOUT, told=lambda *_: None, stop=lambda: 130)
    assert stop.value.exit_code == 130
    assert not stopped.read()["finished"]
    perform(toy, QUICK, stopped, ABOUT, told=lambda *_: None, stop=lambda: None)
    assert without_time([row.to_dict() for row in stopped.rows]) == without_time([row.to_dict() for row in whole.rows])
    assert [row.warm_up for row in whole.rows] == [0, 0, 10]


def test_every_estimator_has_a_row_for_each_of_its_temperatures():
    toy = targets.toy("linear", images=8, seed=0)
    asked = QUICK._replace(estimators=audit.ESTIMATORS, temperatures=(0.5, 1.0))
    found = [(name, temperature) for _, name, temperature in keys(toy, asked)]
    for name, method in METHODS.items():
        of_one = [temperature for estimator, temperature in found if estimator == name]
        if method.estimator is None:
            assert of_one == []
        elif {"temperature", "backward_temperature"} & set(method.options):
            assert of_one == [0.5, 1.0]
        else:
            assert of_one == [None]


def test_what_would_decode_too_much_is_left_out_with_the_number(tmp_path):
    config = tmp_path / "large.yaml"
    config.write_text("model: {name: gumbel, num_classes: 16384}\nnetwork: {hidden: [16]}\ndata: digits\n")
    found = left_out(find(str(config), tmp_path), QUICK._replace(estimators=audit.ESTIMATORS))
    assert found == {
        "exact": "decodes 16384^1 codes at once, at most 256",
        "arsm": "134,209,537 decodings of each image do not fit into memory; see --images",
    }


BAD = {
    "unknown run": (("audit", "gumbel-0"), "gumbel-0: no such run in outputs", "gumbel-digits"),
    "a run without codes": (("audit", "vae-"), ": vae draws no categorical codes", ""),
    "unknown estimator": (
        ("audit", "--estimators", "reinmac"),
        "unknown estimator 'reinmac', did you mean 'reinmax'",
        "",
    ),
    "an epoch that was not kept": (
        ("audit", "gumbel-", "--epochs", "7"),
        "kept no weights of epoch 7 (there are 0, 1, 2)",
        "",
    ),
    "too many images": (("audit", "gumbel-", "--images", "400"), "--images 400: the test set has 360", ""),
    "a temperature of nothing": (
        ("audit", "gumbel-", "--temperatures", "0"),
        "numbers above 0 such as 0.5,1 are needed",
        "",
    ),
    "no number": (("audit", "gumbel-", "--epochs", "1,x"), "--epochs 1,x: whole numbers such as 0,1,5 are needed", ""),
    "too many codes": (("audit", "many.yaml"), "decodes 10^5 codes; at most 16,384 are possible", ""),
    "nothing that fits": (
        ("audit", "some.yaml", "--estimators", "exact"),
        "left out: exact: decodes 10^3 codes at once, at most 256",
        "",
    ),
    "temperatures of none": (
        ("audit", "gumbel-", "--estimators", "identity_st,reinforce", "--temperatures", "0.5"),
        "--temperatures: no effect, as none of these has a temperature: identity_st, reinforce",
        "",
    ),
    "a toy of a run": (("audit", "gumbel-", "--objective", "mlp"), "a toy has neither run nor epochs", ""),
}


@pytest.mark.parametrize("mistake", BAD)
def test_a_mistake_is_one_line(vaecli, finished, tmp_path, mistake):
    arguments, line, also = BAD[mistake]
    for method in ("gumbel", "vae"):
        shutil.copytree(finished(method).path, tmp_path / "outputs" / finished(method).name)
    (tmp_path / "many.yaml").write_text("model: {name: gumbel, num_latents: 5}\ndata: digits\n")
    (tmp_path / "some.yaml").write_text("model: {name: gumbel, num_latents: 3}\ndata: digits\n")
    before = written(tmp_path)
    result = vaecli(*arguments, "--quiet")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert line in result.stderr
    assert also in result.stderr
    assert written(tmp_path) == before


def test_weights_of_a_checkpoint_are_those_that_were_kept(finished):
    run = finished("gumbel")
    subject, weights = find(run.name, run.path.parent, epochs=(1,)).build()
    kept = run.load_weights("epoch-00001")
    assert all(np.array_equal(w, kept[name]) for w, name in zip(weights[1], subject.autoencoder.weights, strict=True))


def test_a_damaged_audit_is_one_line(vaecli, tmp_path):
    quick = ("audit", "--objective", "linear", "--estimators", "categorical", "--quiet")
    vaecli(*quick)
    (folder,) = (tmp_path / "outputs").iterdir()
    (folder / "audit.json").write_text('{"format": 1, "rows": [{"epoch": null}]}')
    result = vaecli(*quick)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "audit.json: damaged" in result.stderr


def test_a_figure_that_is_no_number_is_one_line_and_keeps_what_was_measured(vaecli, tmp_path):
    """Divided by such a temperature, float32 has no number for the gradient's square."""
    asked = ("--estimators", "identity_st,gumbel_st", "--temperatures", "1e-30", "--images", "4", "--draws", "128")
    for _ in range(2):
        result = vaecli("audit", "--objective", "cubic", *asked, "--quiet")
        assert result.exit_code == 1
        assert re.fullmatch(
            r"outputs/audit-\w{8}: gumbel_st at temperature 1e-30: \w+ is not a finite number; "
            "leave it out with --estimators or --temperatures\n",
            result.stderr,
        )
    (path,) = (tmp_path / "outputs").glob("audit-*/audit.json")
    assert [row["estimator"] for row in json.loads(path.read_text())["rows"]] == ["identity_st"]


def test_a_native_abort_of_a_measurement_is_told(tmp_path):
    """Its last words are in the audit's own tensorflow.log, and on the terminal."""
    code = (
        "import os\n"
        "import vaecli.auditing.audit as module\n"
        "def perform(*arguments, **options):\n"
        "    os.write(2, b'F0000 00:00:1700000000.000001 1234 file.cc:1] Check failed: that was all\\n')\n"
        "    os.abort()\n"
        "module.perform = perform\n"
        "import vaecli\n"
        "vaecli.audit(objective='linear', estimators=['categorical'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == -6
    assert re.fullmatch(r"outputs/audit-\w{8}: ended outside Python: .*that was all", done.stderr.splitlines()[-1])
    (log,) = tmp_path.glob("outputs/audit-*/tensorflow.log")
    assert "that was all" in log.read_text()
