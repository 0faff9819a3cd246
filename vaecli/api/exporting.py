"""A finished run's model or its metrics, for programs without vaecli."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaecli.api.frame import applied, console_of, stop_on, using
from vaecli.config.arguments import Name, one_of, path_of, runs_folder
from vaecli.errors import ConfigError

if TYPE_CHECKING:
    from vaecli.config.latent import Exported
    from vaecli.experiment.export import Format

EXPORTED: "tuple[Exported, ...]" = ("whole", "encoder", "decoder", "prior", "prior-by-label")
FORMATS: "tuple[Format, ...]" = ("keras", "savedmodel", "onnx")


def export(
    run: Name,
    *,
    output: Name | None = None,
    part: str | None = None,
    weights: str = "last",
    format: str | None = None,
    metrics_to: str | None = None,
    force: bool = False,
    output_dir: Name | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Path | str:
    """Writes a finished run's model, a part of it, or its metrics, for programs without vaecli.

    Args:
        run: a finished run's name or its beginning, its folder, or itself.
        output: the file to write; for "savedmodel" and "tensorboard" the folder. Not for "trackio".
        part: "encoder", images to codes; "decoder", codes to images; "whole", images to images, the default. Codes are
            as `encode` writes them, and images are floats in [0, 1]. "prior" is the autoregressive prior that `prior`
            fitted, from codes to log p of each value of each code given those before it; "prior-by-label" takes the
            place of each image's label among all labels too.
        weights: "last", "best" on the validation split, or a milestone such as "epoch-00005".
        format: "keras", the default, for keras.models.load_model in safe mode; "savedmodel", for TensorFlow; "onnx",
            which needs the packages of vaecli[onnx].
        metrics_to: the rows of metrics.csv in place of the model: "tensorboard", a file of events in a folder of the
            run's name, written without TensorFlow; "trackio", which has to be installed; or "csv", with the run's name
            in each row. Not with part, weights, format or threads.
        force: overwrite the file, or the SavedModel, if it exists.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        threads: processor threads of TensorFlow; default: all, as in `encode`.
        quiet: say nothing on stderr.

    Returns:
        What was written; the run's name in Trackio.
    Raises:
        ConfigError: a mistake in the request: the file exists, a package is missing, or ONNX has no such layer.
        RunError: there is no such run, it is not finished (whose metrics can be written), or has no such weights or
            prior.
        RunFailed: the file cannot be written.
        Interrupted: Ctrl-C or SIGTERM; nothing is written.
    """
    if metrics_to is not None:
        given = {"part": part, "weights": None if weights == "last" else weights, "format": format, "threads": threads}
        return _metrics(run, metrics_to, path_of(output), given, force=force, output_dir=output_dir)
    with console_of(quiet) as console, stop_on("stopped; nothing is written"):
        from vaecli.experiment.export import PRIORS as OF_CODES
        from vaecli.experiment.export import place_of, prior_of, write_model

        of_part, form = one_of("part", part or "whole", EXPORTED), one_of("format", format or "keras", FORMATS)
        if output is None:
            raise ConfigError(["--output names the file to write, and is missing"])
        target = place_of(path_of(output), form, force=force)
        used = applied(run, weights, output_dir)
        console.say(f"{used.run.name}: {of_part} -> {target}")
        with using(threads, console):
            if of_part in OF_CODES:
                model = prior_of(used.run, of_part, weights)
            else:
                model = used.trained.autoencoder.export(of_part)
            write_model(model, target, form)
        return target


def _metrics(
    run: Name, to: str, output: Path | None, given: Mapping[str, Any], *, force: bool, output_dir: Name | None
) -> Path | str:
    from vaecli.reports.tracking import TRACKERS, place_of, track
    from vaecli.runs import find_run

    tracker = one_of("metrics-to", to, TRACKERS)
    for option, value in given.items():
        if value is not None:
            raise ConfigError(
                [f"--{option} {value}: is of the model, and --metrics-to {to} writes none; give one of them"]
            )
    found = find_run(os.fspath(run), runs_folder(output_dir))
    path = place_of(tracker, output, found, force=force)
    told = track(found, tracker, path)
    return told if path is None else Path(told)
