"""What the shell completes."""

from types import SimpleNamespace

import pytest
from typer.main import get_command

from helpers import made_up
from vaecli.cli import complete
from vaecli.cli.app import app
from vaecli.metrics.metric import COLUMNS
from vaecli.registry import METHODS

COMMANDS = get_command(app).commands


def completed(command, name, incomplete):
    """What is completed for an argument or an option of a command."""
    (param,) = [param for param in command.params if param.name == name]
    context = SimpleNamespace(params={}, command=command)
    return [getattr(item, "value", item) for item in param.shell_complete(context, incomplete)]


@pytest.mark.parametrize(
    ("command", "name", "incomplete", "some"),
    [
        ("train", "set_", "model.te", ["model.temperature="]),
        ("train", "set_", "training.ep", ["training.epochs=", "training.epsilon="]),
        ("train", "set_", "network.kind=c", ["network.kind=conv"]),
        ("compare", "set_", "objective.b", ["objective.beta="]),
        ("check", "set_", "data.na", ["data.name="]),
        ("compare", "sort_by", "mse s", ["mse sampled"]),
        ("compare", "sort_by", "meth", ["method"]),
        ("list", "sort_by", "dur", ["duration"]),
        ("audit", "estimators", "rein", ["reinforce", "reinmax", "reinmax_cv", "reinmax_rao"]),
        ("audit", "estimators", "exact,gs", ["exact,gst"]),
        ("audit", "estimators", "gst,gs", []),
        ("init", "model", "vq", ["vqvae"]),
        ("explain", "name", "perp", ["perplexity"]),
        ("explain", "name", "scaled", ["scaled_bias"]),
    ],
)
def test_names_are_completed(command, name, incomplete, some):
    assert completed(COMMANDS[command], name, incomplete) == some


def test_every_column_and_every_data_set_that_is_fetched_is_completed():
    assert completed(COMMANDS["compare"], "sort_by", "") == sorted(["method", *COLUMNS])
    fetched = COMMANDS["data"].commands["fetch"]
    assert completed(fetched, "name", "") == ["cifar10", "fashion_mnist", "kmnist", "mnist"]
    assert completed(COMMANDS["audit"], "estimators", "") == sorted(n for n, m in METHODS.items() if m.estimator)


def test_runs_are_those_of_the_folder_that_is_asked_for(tmp_path, monkeypatch):
    run = made_up(tmp_path / "mine", "gumbel", 0, 0.05)
    (tmp_path / "mine" / "compare-1a2b3c4d").mkdir()
    (tmp_path / "mine" / "compare-1a2b3c4d" / "comparison.json").touch()
    asked = SimpleNamespace(params={"output_dir": tmp_path / "mine"})
    assert complete.run_names(asked, "gum") == [run.name]
    assert complete.shown_names(asked, "") == ["compare-1a2b3c4d", run.name]
    monkeypatch.setenv("VAECLI_OUTPUT_DIR", str(tmp_path / "mine"))
    assert complete.run_names(SimpleNamespace(params={}), "") == [run.name]
