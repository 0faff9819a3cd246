"""Extends a finished run by more epochs: a new folder that starts from a copy of its last state."""

from vaecli.config import Config
from vaecli.data import Dataset
from vaecli.errors import RunError
from vaecli.runs.files import write
from vaecli.runs.find import all_runs
from vaecli.runs.identity import run_name
from vaecli.runs.run import Run, is_kept


def shorter_run(run: Run, config: Config, dataset: Dataset) -> Run | None:
    """The longest finished run beside it that differs only in having fewer epochs, one with its last state first.

    A run of steps has none: its last row would be one that the longer run has not.
    """
    found: list[tuple[bool, int, Run]] = []
    if config.training.epochs is None:
        return None
    for other in all_runs(run.path.parent):
        if not other.finished or not other.name.startswith(f"{config.model.name}-"):
            continue
        try:
            epochs = other.config.training.epochs
        except RunError:
            continue  # damaged: nothing to start from
        same = config.model_copy(update={"training": config.training.model_copy(update={"epochs": epochs})})
        if epochs is not None and epochs < config.training.epochs and run_name(same, dataset) == other.name:
            found.append((any(other.checkpoints.glob("step-*.npz")), epochs, other))
    *_, longest = max(found, key=lambda item: item[:2], default=(False, 0, None))
    return longest


def copy_state(origin: Run, run: Run) -> None:
    """Copies its states, rows, and the weights that the longer run will have too: all but the last. Raises RunFailed.

    Nothing that a training step reads depends on the number of epochs, so the copy continues with the bits that a
    longer run would have had; the exception is a schedule without a horizon, which is stretched over all epochs.
    """
    for path in sorted(origin.weights.glob("*.npz")):
        if path.stem != "last":
            run.take(path.relative_to(origin.path), origin)
    write(run.metrics_csv, origin.metrics_text, within=run.path)
    for path in sorted(origin.checkpoints.glob("*.npz")):
        run.take(path.relative_to(origin.path), origin)
    run.record_pruned(name for name in origin.pruned if is_kept(name))
