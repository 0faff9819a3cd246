"""One training from start to end: the only place that joins data, training and run folders."""

import contextlib
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from vaecli.backend.process import chatter, import_keras, last_words
from vaecli.config import Config
from vaecli.errors import Damaged, Interrupted, RunError, RunFailed, VaecliError
from vaecli.experiment import drawing, memory
from vaecli.experiment.plan import Plan, Reporter
from vaecli.runs import Run
from vaecli.runs.checkpoints import is_of
from vaecli.runs.extend import copy_state, shorter_run
from vaecli.runs.identity import settings, state_hash
from vaecli.runs.provenance import changes, provenance, session
from vaecli.runs.run import is_kept

YOUNG = 2.0  # seconds; an epoch that ends with a younger checkpoint saves none, so a kill costs no more than this


def train_run(
    plan: Plan,
    reporter: Reporter,
    *,
    argv: Sequence[str] = (),
    fresh: bool = False,
    drawn: bool = True,
    stop: Callable[[], int | None] = lambda: None,
) -> None:
    """Starts, resumes or extends the planned run, finishes and draws it; one that has all of this is left alone.

    Files of a finished run that were changed or removed are made again from its last state.

    Args:
        argv: the command, for run.json.
        fresh: begin again, discarding what the folder holds.
        drawn: draw figures and page too; otherwise the caller has `drawing.draw` do it later.
        stop: called after each call; an exit code means: save, and raise Interrupted with it.

    Raises:
        Interrupted: the state is saved; the same command resumes.
        Diverged: the loss is not a finite number; the last good state is kept.
        RunFailed: the run is being trained elsewhere, does not fit into memory, or its folder cannot be written.
        RunError: its folder holds something else.
    """
    config, dataset, run = plan
    if fresh or not run.finished:
        memory.check(config, dataset)
    with run.lock() as left_by:
        if fresh:
            run.clear()
        if run.finished and (lost := mendable(run)):
            where = "from the beginning, as its states were pruned" if run.without_states else "from the last state"
            for name in lost:
                reporter.say(f"{run.path / name} is not what the run wrote: made again {where}")
            run.reopen()
        if run.finished:
            run.tidy()
        else:
            _finish(plan, reporter, argv, stop, left_by)
        if drawn and not run.drawn:
            drawing.draw(run, reporter.say)


def _finish(
    plan: Plan, reporter: Reporter, argv: Sequence[str], stop: Callable[[], int | None], left_by: str | None
) -> None:
    try:
        _enter(plan, reporter, argv, left_by)
        with chatter(plan.run.tensorflow_log):
            _train(plan, reporter, stop)
    except Exception as error:
        failure = _failure(error, plan)
        _record(plan.run, error, failure)
        if failure is error:
            raise
        raise failure from None


def mendable(run: Run) -> list[str]:
    """The files of a finished run that are not what it wrote, and can be made again from its last state."""
    examined = run.examine()
    lost = (*examined.changed, *examined.missing)
    return [name for name in lost if not is_kept(name) and not run.is_added(name)]


def _enter(plan: Plan, reporter: Reporter, argv: Sequence[str], left_by: str | None) -> None:
    """Begins the run, or reports from where it continues."""
    config, dataset, run = plan
    here = provenance(dataset, argv)
    before: Mapping[str, Any] = here
    lines = [_before(run, left_by)] if left_by or run.failure_json.is_file() else []
    if run.locked_by_name:
        lines.append(f"{run.path}: this file system has no locks, so only the name in .lock keeps other processes out")
    if run.run_json.exists():
        lines += _put_right(plan, here)
    if run.run_json.exists():
        before = session(run.info)
        run.resume(config, {**here, "changed": changes(before, here)})
    else:
        origin = None if any(run.states()) else shorter_run(run, config, dataset)
        if origin and not any(origin.checkpoints.glob("step-*.npz")):
            if origin.without_states:
                lines.append(f"begins again, not from {origin.name}: its states were pruned")
            origin = None
        if origin and config.scheduled:
            lines.append(f"begins again, not from {origin.name}: a schedule is stretched over all epochs")
            origin = None
        elif origin:
            lines.append(f"extended from {origin.name}")
            copy_state(origin, run)
            before = session(origin.info)
        run.begin(config, {**here, "extends": origin.name if origin else None})
    if changed := changes(before, here):
        lines.append(f"bit-for-bit repetition is not promised: {', '.join(changed)}")
    for line in lines:
        run.log(line)
        reporter.say(line)


def _before(run: Run, left_by: str | None) -> str:
    """How the previous session ended, if it did not finish."""
    with contextlib.suppress(RunError):
        if run.failure:
            return f"failed before: {run.failure}"
    words = last_words(run.tensorflow_log)
    return f"{left_by or 'another process'} died while training this run{f': {words}' if words else ''}"


def _put_right(plan: Plan, here: Mapping[str, Any]) -> Iterator[str]:
    """Sets aside a run.json that is damaged or of another run if the states show that the folder is of this run.

    Raises:
        RunError: the folder holds another run, intact.
    """
    config, dataset, run = plan
    other: list[str] = []
    try:
        other = list(_differences(run, config, here))
        wrong = f"not of this run ({', '.join(other)})" if other else ""
    except Damaged as error:
        wrong = f"damaged ({str(error).removeprefix(f'{run.run_json}: ').partition(';')[0]})"
    if not wrong:
        return
    states = [arrays for _, arrays in run.states() if arrays]
    if other and not any(is_of(arrays, state_hash(config, dataset)) for arrays in states):
        what = f"a run of another config or other data ({', '.join(other)})"
        raise RunError(f"{run.path}: holds {what}; move it elsewhere")
    run.set_info_aside()
    yield f"{run.run_json} is {wrong}: set aside, and written again"


def _differences(run: Run, config: Config, here: Mapping[str, Any]) -> Iterator[str]:
    """The differences between run.json and the planned run, e.g. "training.seed 1 instead of 0"."""
    for block, keys in settings(config).items():
        for key, value in settings(run.config).get(block, {}).items():
            if keys.get(key) != value:
                yield f"{block}.{key} {value} instead of {keys.get(key)}"
    data = run.info["data"]
    for key in ("name", "digest", "scale", "image_shape", "train", "validation", "test"):
        if data[key] != here["data"][key]:  # type: ignore[literal-required]
            yield f"data.{key} {data[key]} instead of {here['data'][key]}"  # type: ignore[literal-required]


def _train(plan: Plan, reporter: Reporter, stop: Callable[[], int | None]) -> None:
    import_keras()
    from vaecli.experiment.journal import Journal
    from vaecli.models.autoencoder import build
    from vaecli.training.trainer import Trainer

    config, dataset, run = plan
    trainer = Trainer(build(config, dataset.image_shape, dataset), dataset, config)
    journal = Journal(plan, trainer, reporter)
    state = journal.restore(trainer.initial_state())
    seconds, saved = config.training.checkpoint_seconds, time.monotonic()
    for chunk in trainer.chunks(state):
        if chunk.diverged:
            epoch = chunk.state.epoch + (chunk.state.step > 0)
            raise journal.diverged(f"epoch {epoch}, step {chunk.diverged}", "the loss")
        state = chunk.state
        reporter.progress(chunk, trainer)
        if chunk.metrics is not None:
            journal.add_row(chunk)
        code = stop()
        age = time.monotonic() - saved
        due = age >= (seconds if chunk.metrics is None else min(seconds, YOUNG))
        left = trainer.end.steps - trainer.done(state)
        if due or code or not left:
            journal.save(state)
            saved = time.monotonic()
        if code and left:
            where = f"epoch {state.epoch + 1}, step {state.step} of {trainer.steps_per_epoch}"
            raise Interrupted(f"{run.path}: stopped and saved at {where}; the same command resumes", exit_code=code)
    journal.finish(state)


def _failure(error: Exception, plan: Plan) -> Exception:
    """The error to report: what the machine refuses is for the user to fix, and anything unknown is our bug."""
    if isinstance(error, OSError):
        return RunFailed(f"{error.filename or plan.run.path}: {error.strerror or error}")
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":  # TensorFlow's
        return RunFailed(f"{plan.run.path}: out of memory; {memory.way_out(plan.config, plan.dataset)}")
    return error


def _record(run: Run, error: Exception, failure: Exception) -> None:
    """Records the failure in the run's folder, as far as that can still be written."""
    with contextlib.suppress(VaecliError):
        ours = not isinstance(failure, VaecliError)
        run.log("".join(traceback.format_exception(error)) if ours else str(failure))
        if not isinstance(failure, Interrupted):
            run.fail(f"{type(error).__name__}: {error}; see train.log" if ours else str(failure))
