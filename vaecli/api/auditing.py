"""Gradient estimators against the exact gradient."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaecli.api.frame import console_of, prepared_for, stop_on
from vaecli.backend.process import chatter, import_keras
from vaecli.config.arguments import (
    Name,
    Names,
    Numbers,
    chosen_numbers,
    numbers,
    parts,
    path_of,
    runs_folder,
    whole,
)
from vaecli.errors import ConfigError
from vaecli.registry import suggest

if TYPE_CHECKING:
    from vaecli.runs.audits import AuditRow

OBJECTIVES = ("linear", "quadratic", "cubic", "mlp")
TEMPERATURES = (0.1, 0.25, 0.5, 1.0, 2.0)
AUDIT_DRAWS, TOY_DRAWS = 4096, 16_384


@dataclass(frozen=True)
class Measurements:
    """What an audit measured. `print` shows its tables."""

    path: Path  # the folder of audit.json and the figures
    title: str
    asked: Mapping[str, Any]  # all that decides what is measured
    rows: "Sequence[AuditRow]"
    left_out: Mapping[str, str]  # estimators that were not measured, and why
    figures: Sequence[Path]

    def table(self, width: int | None = None) -> str:
        """The tables as text, folded to `width` characters."""
        from vaecli.reports.audit.table import table_lines

        return "\n".join(table_lines(self.rows, self.left_out, width))

    @property
    def latex(self) -> str:
        from vaecli.reports.audit.table import latex_lines

        return "\n".join(latex_lines(self.rows, self.left_out))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, as in audit.json."""
        rows = [row.to_dict() for row in self.rows]
        return {"title": self.title, "asked": self.asked, "left_out": self.left_out, "rows": rows}

    def __str__(self) -> str:
        return self.table()


def audit(
    target: Name | None = None,
    *,
    objective: str | None = None,
    epochs: Numbers = (),
    estimators: Names = (),
    temperatures: Numbers = TEMPERATURES,
    images: int = 64,
    draws: int | None = None,
    warm_up: int = 1000,
    seed: int = 0,
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    threads: int | None = None,
    format: str = "png",
    quiet: bool = False,
) -> Measurements:
    """Measures gradient estimators against the exact gradient; the same call shows the result again, or resumes.

    Args:
        target: a run, or a config, which stands for its run or its initial weights; default: the newest run with
            categorical codes.
        objective: a toy loss of ten codes, which needs no run: "linear", "quadratic", "cubic" or "mlp".
        epochs: epochs whose weights the run has kept, as [0, 5] or "0,5"; default: the last.
        estimators: names, as ["exact", "gumbel"] or "exact,gumbel"; default: all.
        temperatures: values for every estimator that has a temperature.
        images: number of test images (for a toy: draws of the logits), the same for every estimator.
        draws: the most draws to take where intervals stay wide, at least 128; default: 4096, for a toy 16,384.
        warm_up: steps that an adaptive estimator learns for before it is measured.
        seed: the seed of images, draws and toys.
        output_dir: where run folders are, and the audit gets one; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        threads: processor threads of TensorFlow; default: all. It reads them once per process; later values have no
            effect.
        format: format of the figures in addition to png: "svg" or "pdf".
        quiet: say nothing on stderr.

    Returns:
        The measurements, one row for each estimator, temperature and checkpoint.
    Raises:
        ConfigError: a mistake in the request, or more codes or images than there may be.
        DataError: its data is not available, or differs from what it was trained on.
        RunError: no such run, checkpoint or categorical code; a gradient of 0; a figure that is not finite.
        Interrupted: Ctrl-C or SIGTERM; the rows so far are kept, and the same call resumes.
    """
    with console_of(quiet) as console, stop_on() as stop:
        from vaecli.auditing import targets
        from vaecli.auditing.audit import Asked, estimators_of, keys, left_out, perform, tempered
        from vaecli.launch.witness import witnessed
        from vaecli.reports.audit.figures import draw
        from vaecli.reports.audit.page import write_page
        from vaecli.reports.audit.table import left_out_lines, row_line
        from vaecli.reports.style import checked_format
        from vaecli.runs.audits import audit_of

        of_epochs = chosen_numbers("epochs", epochs, int)
        if objective and (target or of_epochs):
            raise ConfigError([f"--objective {objective}: a toy has neither run nor epochs"])
        if objective and objective not in OBJECTIVES:
            raise ConfigError([f"--objective {objective}: no such loss{suggest(objective, OBJECTIVES)}"])
        images, seed = whole("images", images, 1), whole("seed", seed, 0, 2**31 - 1)
        asked = Asked(
            estimators_of(parts(estimators)),
            numbers("temperatures", temperatures, float),
            (TOY_DRAWS if objective else AUDIT_DRAWS) if draws is None else whole("draws", draws, 128),
            whole("warm-up", warm_up, 0),
            seed,
        )
        if asked.temperatures != TEMPERATURES and not any(map(tempered, asked.estimators)):
            names = ", ".join(asked.estimators)
            raise ConfigError([f"--temperatures: no effect, as none of these has a temperature: {names}"])
        if objective:
            found = targets.toy(objective, images=images, seed=seed)
        else:
            found = targets.find(
                None if target is None else os.fspath(target),
                epochs=of_epochs,
                images=images,
                seed=seed,
                output_dir=runs_folder(output_dir),
                data_dir=path_of(data_dir),
            )
        question = {"subject": dict(found.description), **asked._asdict()}
        where = audit_of(question, runs_folder(output_dir))
        checked_format(format, where.path)
        about, skipped = {"title": found.title, "asked": question}, where.left_out
        console.lines(found.remarks)
        console.say(f"{found.title} -> {where.path}")
        missing = not where.finished
        if missing:
            stop()  # from now on a signal waits for the current measurement
            with prepared_for(threads, console):
                with chatter(Path(os.devnull)):
                    import_keras()
                    skipped = left_out(found, asked)
                if not keys(found, asked):
                    raise ConfigError(list(left_out_lines(skipped)))
                tell = lambda row, done, total: console.say(f"{done}/{total}  {row_line(row)}")  # noqa: E731
                where.begin()
                with witnessed(where.path, where.tensorflow_log, console.stream), chatter(where.tensorflow_log):
                    perform(found, asked, where, {**about, "left_out": skipped}, told=tell, stop=stop)
        rows = where.rows
        failed = lambda picture: console.say(picture.line)  # noqa: E731
        figures = draw(found.title, rows, where.path, formats={"png", format}, again=missing, failed=failed)
        page = write_page(where, failed=failed)
        console.lines(map(str, [*figures, page]))
        return Measurements(where.path, found.title, question, rows, skipped, figures)
