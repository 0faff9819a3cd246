"""Priors over the codes of a finished run."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vaecli.api.frame import PRIORS, console_of, stop_on, working
from vaecli.config.arguments import Name, one_of, path_of, runs_folder, whole

if TYPE_CHECKING:
    from vaecli.runs import Run
    from vaecli.runs.schema import CodeLengths, FittedPrior


@dataclass(frozen=True)
class Prior:
    """A prior over a run's codes, and the code lengths under it. `print` shows it."""

    run: "Run"
    fitted: "FittedPrior"

    @property
    def code_length(self) -> "CodeLengths":
        """Bits per image of the most probable codes, on both splits, each with its standard error."""
        return self.fitted["code_length"]

    def to_dict(self) -> dict[str, Any]:
        return {"run": self.run.name, **self.fitted}

    def __str__(self) -> str:
        from vaecli.reports.run.summary import prior_lines

        return "\n".join([self.run.name, *prior_lines(self.run, [self.fitted])])


def prior(
    run: Name,
    *,
    kind: str | None = None,
    conditional: bool = False,
    epochs: int | None = None,
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Prior:
    """Fits a prior over the codes of a finished run, and measures how long the test images' codes are under it.

    It is fitted to the most probable codes of the training images and kept in the run's folder, where `show`, `list`
    and `compare` read the code length; the same call shows it again.

    Args:
        run: a finished run's name or its beginning, its folder, or itself.
        kind: "independent": how often each code has each of its values, one added to each count; "autoregressive": a
            small causal transformer over an image's codes. Default: autoregressive where an image has several codes.
        conditional: one prior for each label.
        epochs: epochs of an autoregressive prior at most; default: some minutes' worth. It ends earlier when its loss
            on a twelfth of the training codes, which is held out, stops falling, and keeps its best weights.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        threads: processor threads of TensorFlow; default: all. It reads them once per process; later values have no
            effect.
        quiet: say nothing on stderr.

    Raises:
        ConfigError: a mistake in the request; a run without codes, or images without labels.
        DataError: its data is not available, or differs from what it was trained on.
        RunError: there is no such run, or it is not finished.
        RunFailed: it does not fit into memory, or cannot be written.
        Interrupted: Ctrl-C or SIGTERM; the state is saved, and the same call resumes.
    """
    with console_of(quiet) as console, stop_on("stopped before the prior's training began") as stop:
        from vaecli.experiment.prior import asked_of, fit, known
        from vaecli.runs import find_run

        of_kind = None if kind is None else one_of("kind", kind, PRIORS)
        if epochs is not None:
            whole("epochs", epochs, 1, 10**6)
        found = find_run(os.fspath(run), runs_folder(output_dir))
        asked = asked_of(found, of_kind, conditional=conditional, epochs=epochs)
        fitted = known(found, asked, console.say)
        if fitted is not None:
            console.say(f"{found.prior_json}: this is what it has")
        else:
            console.say(f"{found.name}: {asked.kind} prior over its {found.latent} -> {found.prior_json}")
            with working(found, threads, console):
                fitted = fit(
                    *(found, asked, path_of(data_dir)),
                    fetching=console.fetching,
                    counting=console.counting,
                    say=console.say,
                    stop=stop,
                )
        return Prior(found, fitted)
