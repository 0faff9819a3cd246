"""More epochs of a run that is already there: a new folder that starts from a copy of the old last state."""

import shutil

from vaecli.config import Config
from vaecli.data import Dataset
from vaecli.runs.files import writing
from vaecli.runs.find import all_runs
from vaecli.runs.identity import run_name
from vaecli.runs.run import Run


def extend(run: Run, config: Config, dataset: Dataset) -> str | None:
    """Copies the longest finished run that differs in nothing but fewer epochs; its name, or None.

    Nothing that a training step reads depends on the number of epochs, so the copy goes on with the bits that a
    longer run would have had; but for a temperature schedule, which is stretched over all epochs: such a run is
    never extended, the longer one begins anew.
    """
    if config.model.scheduled:
        return None
    shorter = []
    for other in all_runs(run.path.parent):
        if not other.finished or not other.name.startswith(f"{config.model.name}-"):
            continue
        epochs = other.config.training.epochs
        same = config.model_copy(update={"training": config.training.model_copy(update={"epochs": epochs})})
        if epochs < config.training.epochs and run_name(same, dataset) == other.name:
            shorter.append((epochs, other))
    if not shorter:
        return None
    _, longest = max(shorter, key=lambda item: item[0])
    if not any(longest.checkpoints.glob("step-*.npz")):
        return None
    with writing(run.path):
        shutil.copytree(longest.weights, run.weights, ignore=shutil.ignore_patterns("last.npz"), dirs_exist_ok=True)
        shutil.copytree(longest.checkpoints, run.checkpoints, dirs_exist_ok=True)
    return longest.name
