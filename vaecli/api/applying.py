"""A finished run in use: images to codes, codes to images."""

import os
from pathlib import Path

from vaecli.api.frame import applied, console_of, stop_on, using
from vaecli.config.arguments import Name, path_of, whole
from vaecli.errors import ConfigError


def encode(
    run: Name,
    images: Name,
    *,
    output: Name,
    seed: int | None = None,
    weights: str = "last",
    force: bool = False,
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Path:
    """Writes the codes of images, by a finished run, as an npz. For arrays there is `load_run(run).encode`.

    Its array `codes` is [N, L] integers, of a grid [N, H', W', L]; of a Gaussian `latents` has D numbers for L codes.
    `rate` is KL(q(z|x) || p(z)) of each image in nats; `run`, `weights` and `weights_sha256` say what made it.

    Args:
        run: a finished run's name or its beginning, its folder, or itself.
        images: an npz with an array images, x_test or x_train, of which the first is read (else MedMNIST's test_images
            or train_images, or numpy's arr_0), or an npy; or "test", "validation" or "train", a split of the run's own
            data.
        output: the file to write.
        seed: a sample of q(z|x) with this seed; default: the most probable codes, of a Gaussian the mean.
        weights: "last", "best" on the validation split, or a milestone such as "epoch-00005".
        force: overwrite the file if it exists.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        threads: processor threads of TensorFlow; default: all. It reads them once per process; later values have no
            effect.
        quiet: say nothing on stderr.

    Returns:
        The file written.
    Raises:
        ConfigError: a mistake in the request: the file exists, a seed where q(z|x) is a point, no such split.
        DataError: images that are not there, or that training would refuse.
        RunError: there is no such run, it is not finished, or has no such weights.
        RunFailed: the file cannot be written.
        Interrupted: Ctrl-C or SIGTERM; nothing is written.
    """
    return _from_images("encode", run, images, output, seed, weights, force, output_dir, data_dir, threads, quiet)


def reconstruct(
    run: Name,
    images: Name,
    *,
    output: Name,
    seed: int | None = None,
    weights: str = "last",
    force: bool = False,
    output_dir: Name | None = None,
    data_dir: Name | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Path:
    """Writes the reconstructions of images, by a finished run, as an npz: what `decode` makes of `encode`.

    Its array `images` is [N, H, W], of colour [N, H, W, C], in [0, 1] or near it.

    Args:
        run: a finished run's name or its beginning, its folder, or itself.
        images: as in `encode`.
        output: the file to write.
        seed: decode a sample of q(z|x) with this seed; default: the most probable codes, of a Gaussian the mean.
        weights: "last", "best" on the validation split, or a milestone such as "epoch-00005".
        force: overwrite the file if it exists.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        data_dir: where data sets are; default: $VAECLI_DATA_DIR, then Keras' cache.
        threads: processor threads of TensorFlow; default: all, as in `encode`.
        quiet: say nothing on stderr.

    Returns:
        The file written.
    Raises:
        VaecliError: as in `encode`.
    """
    return _from_images("reconstruct", run, images, output, seed, weights, force, output_dir, data_dir, threads, quiet)


def decode(
    run: Name,
    codes: Name,
    *,
    output: Name,
    weights: str = "last",
    force: bool = False,
    output_dir: Name | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Path:
    """Writes the images of codes, by a finished run, as an npz. For arrays there is `load_run(run).decode`.

    Args:
        run: a finished run's name or its beginning, its folder, or itself.
        codes: an npz that `encode` wrote; or any with an array codes (of a Gaussian, latents) of that shape, or an npy.
        output: the file to write; its array `images` is as in `reconstruct`.
        weights: "last", "best" on the validation split, or a milestone such as "epoch-00005".
        force: overwrite the file if it exists.
        output_dir: where run folders are; default: $VAECLI_OUTPUT_DIR, then outputs.
        threads: processor threads of TensorFlow; default: all, as in `encode`.
        quiet: say nothing on stderr.

    Returns:
        The file written.
    Raises:
        ConfigError: a mistake in the request: the file exists, or its folder does not.
        DataError: codes that are not there, out of range, or of another shape.
        RunError: there is no such run, it is not finished, or has no such weights.
        RunFailed: the file cannot be written.
        Interrupted: Ctrl-C or SIGTERM; nothing is written.
    """
    with console_of(quiet) as console, stop_on("stopped; nothing is written"):
        from vaecli.experiment.apply import free, write_arrays

        target = free(path_of(output), force=force)
        used = applied(run, weights, output_dir)
        found, remark = used.codes(path_of(codes))
        if remark:
            console.say(remark)
        console.say(f"{used.run.name}: {len(found):,} images of {codes} -> {target}")
        told = console.counting("images", len(found))
        with using(threads, console):
            write_arrays(target, used.decode(found, place=os.fspath(codes), told=told))
        return target


def _from_images(
    what: str,
    run: Name,
    images: Name,
    output: Name,
    seed: int | None,
    weights: str,
    force: bool,
    output_dir: Name | None,
    data_dir: Name | None,
    threads: int | None,
    quiet: bool,
) -> Path:
    with console_of(quiet) as console, stop_on("stopped; nothing is written"):
        from vaecli.experiment.apply import free, write_arrays

        target = free(path_of(output), force=force)
        used = applied(run, weights, output_dir)
        if seed is not None:
            whole("seed", seed, 0, 2**31 - 1)
            if used.run.config.model.method.constant_rate:
                name = used.run.config.model.name
                raise ConfigError([f"{used.run.name}: --seed {seed}: {name} has a point for q(z|x), and no samples"])
        found, place = used.images(os.fspath(images), path_of(data_dir), console.fetching)
        console.say(f"{used.run.name}: {len(found):,} {place} -> {target}")
        told = console.counting("images", len(found))
        with using(threads, console):
            write_arrays(target, getattr(used, what)(found, place=place, seed=seed, told=told))
        return target
