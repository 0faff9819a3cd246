"""A finished run's model, for programs without vaecli."""

from pathlib import Path
from typing import TYPE_CHECKING

from vaecli.api.frame import applied, console_of, stop_on, using
from vaecli.config.arguments import Name, one_of, path_of

if TYPE_CHECKING:
    from vaecli.config.latent import Exported
    from vaecli.experiment.export import Format

EXPORTED: "tuple[Exported, ...]" = ("whole", "encoder", "decoder", "prior", "prior-by-label")
FORMATS: "tuple[Format, ...]" = ("keras", "savedmodel", "onnx")


def export(
    run: Name,
    *,
    output: Name,
    part: str = "whole",
    weights: str = "last",
    format: str = "keras",
    force: bool = False,
    output_dir: Name | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Path:
    """Writes a finished run's model, or a part of it, for programs without vaecli.

    Args:
        run: a finished run's name or its beginning, its folder, or itself.
        output: the file to write; for "savedmodel" the folder.
        part: "encoder", images to codes; "decoder", codes to images; "whole", images to images. Codes are as `encode`
            writes them, and images are floats in [0, 1]. "prior" is the autoregressive prior that `prior` fitted, from
            codes to log p of each value of each code given those before it; "prior-by-label" takes the place of each
            image's label among all labels too.
        weights: "last", "best" on the validation split, or a milestone such as "epoch-00005".
        format: "keras", for keras.models.load_model in safe mode; "savedmodel", for TensorFlow; "onnx", which needs
            the packages of vaecli[onnx].
        force: overwrite the file, or the SavedModel, if it exists.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        threads: processor threads of TensorFlow; default: all, as in `encode`.
        quiet: say nothing on stderr.

    Returns:
        What was written.
    Raises:
        ConfigError: a mistake in the request: the file exists, a package is missing, or ONNX has no such layer.
        RunError: there is no such run, it is not finished, or has no such weights or prior.
        RunFailed: the file cannot be written.
        Interrupted: Ctrl-C or SIGTERM; nothing is written.
    """
    with console_of(quiet) as console, stop_on("stopped; nothing is written"):
        from vaecli.experiment.export import PRIORS as OF_CODES
        from vaecli.experiment.export import place_of, prior_of, write_model

        of_part, form = one_of("part", part, EXPORTED), one_of("format", format, FORMATS)
        target = place_of(path_of(output), form, force=force)
        used = applied(run, weights, output_dir)
        console.say(f"{used.run.name}: {part} -> {target}")
        with using(threads, console):
            if of_part in OF_CODES:
                model = prior_of(used.run, of_part, weights)
            else:
                model = used.trained.autoencoder.export(of_part)
            write_model(model, target, form)
        return target
