"""What an audit is of, and what none can be of, in whole sentences."""

import numpy as np
import pytest

from helpers import copied, session, small_config
from vaecli.auditing import targets
from vaecli.auditing.audit import Asked, perform
from vaecli.auditing.truth import Truth
from vaecli.config import dump
from vaecli.errors import DataError, RunError
from vaecli.runs import Run
from vaecli.runs.audits import Audit

FEW = Asked(("categorical",), (1.0,), draws=128, warm_up=0, seed=0)


def find(name, output_dir, **options):
    return targets.find(name, output_dir=output_dir, data_dir=None, images=4, seed=0, **{"epochs": (), **options})


def refused(name, output_dir, **options):
    """The lines with which a target is refused."""
    with pytest.raises(RunError) as error:
        find(name, output_dir, **options)
    return error.value.lines


def test_without_a_run_there_is_nothing_to_take(tmp_path):
    assert refused(None, tmp_path) == (
        f"{tmp_path}: no finished run with categorical codes; `vaecli train --config gumbel` makes one, and "
        "--objective linear needs none",
    )


def test_an_unfinished_run_has_the_weights_that_it_has_kept(tmp_path):
    run = Run(tmp_path / "gumbel-digits-00000000-s0")
    run.begin(small_config("gumbel", extra_training=", batch_size: 6"), session())  # of 60 images
    assert refused(run.name, tmp_path) == (
        f"{run.name}: not finished (interrupted); name the --epochs whose weights it has kept",
    )
    assert refused(run.name, tmp_path, epochs=(1,)) == (f"{run.name}: kept no weights of epoch 1 (there are none)",)


def test_a_config_without_a_run_has_its_first_weights(tmp_path):
    (tmp_path / "mine.yaml").write_text(dump(small_config("gumbel").to_dict()))
    (line,) = refused(str(tmp_path / "mine.yaml"), tmp_path, epochs=(0, 3))
    assert line.startswith("gumbel-digits-")
    assert line.endswith("-s0: not trained, so only its initial weights exist (epoch 0)")
    assert find(str(tmp_path / "mine.yaml"), tmp_path, epochs=(0,)).epochs == (0,)


def test_other_data_than_the_run_was_trained_on_are_refused(finished, tmp_path, monkeypatch):
    run = copied(finished("gumbel"), tmp_path)
    monkeypatch.setattr(Run, "info", {**run.info, "data": {**run.info["data"], "digest": "0" * 64}})
    with pytest.raises(DataError) as error:
        find(run.name, tmp_path).build()
    assert str(error.value) == f"bundled with scikit-learn: not the data that {run.name} was trained on"


@pytest.mark.parametrize(("gradient", "what"), [(0.0, "0"), (np.nan, "not finite")])
def test_a_gradient_that_is_no_unit_measures_nothing(tmp_path, monkeypatch, gradient, what):
    toy = targets.toy("linear", images=4, seed=0)
    monkeypatch.setattr(Truth, "__call__", lambda truth, weights: np.full((4, 1, 10), gradient))
    with pytest.raises(RunError) as error:
        perform(toy, FEW, Audit(tmp_path), {}, told=lambda *_: None, stop=lambda: None)
    line = f"{toy.title}: the exact gradient is {what}, so no estimator can be measured"
    assert error.value.lines == (line,)
