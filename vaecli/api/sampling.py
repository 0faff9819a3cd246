"""New images of a finished run."""

from pathlib import Path
from typing import TYPE_CHECKING

from vaecli.api.frame import PRIORS, applied, console_of, stop_on, using
from vaecli.config.arguments import Name, Numbers, chosen_numbers, number, one_of, path_of, whole

if TYPE_CHECKING:
    from vaecli.experiment.sample import Show, Source

SOURCES: "tuple[Source, ...]" = ("prior", "fitted")
SHOWN: "tuple[Show, ...]" = ("samples", "nearest", "labels", "traversal", "interpolation")


def sample(
    run: Name,
    *,
    output: Name,
    show: str = "samples",
    count: int | None = None,
    images: Numbers = (),
    temperature: float = 1.0,
    label: int | None = None,
    prior: str | None = None,
    source: str = "prior",
    seed: int = 0,
    force: bool = False,
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Path:
    """Draws new images by a finished run: codes from a prior that `prior` fitted, of a vae vectors from N(0, 1).

    An npz has `images`, [N, H, W] or of colour [N, H, W, C], and the `codes` or `latents` that they were decoded from,
    as `encode` has them, with the names of the run and the weights; any other ending is a figure of them. Beside them
    an npz has `nearest`, `nearest_index` and `nearest_distance` (a sum of squares over pixels) with show="nearest",
    `labels` with "labels", and `row`, the line of each image, with "traversal" and "interpolation".

    Args:
        run: a finished run's name or its beginning, its folder, or itself.
        output: the file to write: .npz, .png, .svg or .pdf.
        show: "samples"; "nearest": each beside its nearest training image; "labels": a line for each label, from a
            conditional prior; "traversal": a test image with one code changed through its values, or one number of a
            vector from -2 to 2 standard deviations of the test images' encodings; "interpolation": from one test image
            to another, code by code, or along the line between the means of a vae. The last two draw nothing.
        count: images (64; 32 with their nearest), images of each label (10), lines of a traversal (10), or steps of an
            interpolation (9).
        images: the test images, counted from 0, of a traversal (0), or of an interpolation from each to the next
            (0 and 1).
        temperature: T of p^(1/T) at each code, and the standard deviation of a vector's numbers; 0 draws the most
            probable codes, so all images are one.
        label: images of this label, from a conditional prior.
        prior: "independent" or "autoregressive"; default: the one that gives the shortest codes. Without any, each code
            is drawn by itself, as often as the training images have it.
        source: "prior"; or "fitted", of a vae: a Gaussian with the mean and covariance of the test images' encodings.
        seed: of the draws.
        force: overwrite the file if it exists.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        threads: processor threads of TensorFlow; default: all. It reads them once per process; later values have no
            effect.
        quiet: say nothing on stderr.

    Returns:
        The file written.
    Raises:
        ConfigError: a mistake in the request: the file exists, no such label or image, an option without effect.
        DataError: its data is needed and not available, or differs from what it was trained on.
        RunError: there is no such run, it is not finished, or has no such prior.
        RunFailed: the file cannot be written.
        Interrupted: Ctrl-C or SIGTERM; nothing is written.
    """
    with console_of(quiet) as console, stop_on("stopped; nothing is written"):
        from vaecli.experiment.apply import free, write_arrays
        from vaecli.experiment.sample import Wanted, checked, draw
        from vaecli.reports.run.samples import figure_of
        from vaecli.reports.style import checked_format, save, styled

        target = free(path_of(output), force=force)
        if target.suffix != ".npz":
            checked_format(target.suffix[1:], target)
        of_images = chosen_numbers("images", images, int)
        kind = None if prior is None else one_of("prior", prior, PRIORS)
        whole("seed", seed, 0, 2**31 - 1)
        heat = number("temperature", temperature)
        if label is not None:
            whole("label", label, 0)
        if count is not None:
            whole("count", count, 1, 10**6)
        used = applied(run, "last", output_dir)
        shown, of_source = one_of("show", show, SHOWN), one_of("from", source, SOURCES)
        wanted = Wanted(shown, count, of_images, heat, label, seed, kind, of_source)
        checked(used.run, wanted)
        console.say(f"{used.run.name}: {show} -> {target}")
        with using(threads, console):
            drawn = draw(
                *(used.run, wanted, path_of(data_dir)),
                fetching=console.fetching,
                counting=console.counting,
                say=console.say,
            )
        if target.suffix == ".npz":
            arrays = {"images": drawn.images, used.latents: drawn.latents, **drawn.also}
            write_arrays(target, {**arrays, **used.origin})
        else:
            with styled():
                save(figure_of(used.run, drawn.images, drawn.how, drawn.lines, drawn.also), target)
        return target
