"""The target of an audit, decided before TensorFlow is loaded: a run, a config's initial weights, or a toy."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vaecli.backend.progress import END, Progress
from vaecli.config import Config, is_config, read_config
from vaecli.config.latent import MOST_CODES, Latent
from vaecli.data import Dataset, load
from vaecli.errors import ConfigError, RunError
from vaecli.experiment.origin import dataset_of
from vaecli.experiment.plan import plan_run
from vaecli.runs import Run, all_runs, find_run
from vaecli.runs.provenance import data_name
from vaecli.runs.run import file_digest

if TYPE_CHECKING:
    from vaecli.auditing.subjects import Subject, Tensors

TOY_CODES = (1, 10)


@dataclass(frozen=True)
class Target:
    """Something to audit; `build` loads TensorFlow and makes it."""

    title: str  # for people
    description: Mapping[str, Any]  # everything that defines it, in plain values
    epochs: tuple[int | None, ...]  # the checkpoints; None: there are none
    code_shape: tuple[int, int]  # (L, K)
    outputs: int  # numbers that the decoder makes of one code
    options: Mapping[str, Mapping[str, Any]]  # by estimator, where they differ from its defaults
    end: Progress  # of the training, where its schedules are read
    build: Callable[[], "tuple[Subject, dict[int | None, Tensors]]"]
    remarks: tuple[str, ...] = ()  # lines on its data


def find(
    name: str | None, *, epochs: Sequence[int], images: int, seed: int, output_dir: Path, data_dir: Path | None
) -> Target:
    """The target that a RUN or CONFIG argument names; by default the newest run with categorical codes.

    A config stands for its run if there is one, otherwise for its initial weights.

    Raises:
        RunError: there is no such run, it is not finished, it has no such epoch or no categorical codes.
        ConfigError: a mistake in the config, or more codes or images than there may be.
        DataError: its data is not available, or differs from what it was trained on.
    """
    if name is None:
        runs = (run for run in all_runs(output_dir) if run.finished and run.config.model.method.estimator)
        newest = next(runs, None)
        if newest is None:
            raise RunError(
                f"{output_dir}: no finished run with categorical codes; `vaecli train --config gumbel` makes one, "
                "and --objective linear needs none"
            )
        return _of_run(newest, epochs, images, seed, data_dir)
    exact = [run for run in all_runs(output_dir) if run.name == name]
    if not exact and is_config(name):
        config = read_config(name)
        _check(config.model.name, config)
        dataset = load(config.data, data_dir)
        plan = plan_run(config, dataset, output_dir)
        if not plan.run.exists:
            return _of_config(plan.config, plan.run.name, dataset, epochs, images, seed)
        exact = [plan.run]
    return _of_run(exact[0] if exact else find_run(name, output_dir), epochs, images, seed, data_dir)


def toy(objective: str, *, images: int, seed: int) -> Target:
    """A loss of the code alone, at `images` draws of the logits from N(0, 1)."""
    num_latents, num_classes = TOY_CODES

    def build() -> "tuple[Subject, dict[int | None, Tensors]]":
        from vaecli.auditing.subjects import Toy

        subject = Toy(objective, num_images=images, num_latents=num_latents, num_classes=num_classes, seed=seed)
        return subject, {None: []}

    return Target(
        title=f"{objective} toy loss, K = {num_classes}, {images:,} draws of the logits",
        description={"objective": objective, "codes": TOY_CODES, "images": images},
        epochs=(None,),
        code_shape=TOY_CODES,
        outputs=1,
        options={},
        end=END,
        build=build,
    )


def _of_run(run: Run, epochs: Sequence[int], images: int, seed: int, data_dir: Path | None) -> Target:
    config, data = run.config, run.info["data"]
    end = _end(config, data["train"])
    last = math.ceil(end.steps / end.steps_per_epoch)  # of steps that end inside an epoch, the number of that epoch
    _check(run.name, config)
    if not epochs and not run.finished:
        raise RunError(f"{run.name}: not finished ({run.status}); name the --epochs whose weights it has kept")
    asked = tuple(epochs) or (last,)
    names = {epoch: "last" if epoch == last else f"epoch-{epoch:05d}" for epoch in asked}
    digests = {}
    for epoch, name in names.items():
        try:
            digests[str(epoch)] = file_digest(run.weights / f"{name}.npz")
        except OSError:
            kept = sorted(int(path.stem.removeprefix("epoch-")) for path in run.weights.glob("epoch-*.npz"))
            kept += [last] * (run.weights / "last.npz").exists()
            shown = ", ".join(map(str, dict.fromkeys(kept)))
            pruned = f"weights/{name}.npz" in run.pruned
            what = f"the weights of epoch {epoch} were pruned" if pruned else f"kept no weights of epoch {epoch}"
            raise RunError(f"{run.name}: {what} (there are {shown or 'none'})") from None
    _check_images(images, data["test"])

    def weights() -> dict[int, Mapping[str, Any]]:
        return {epoch: run.load_weights(name) for epoch, name in names.items()}

    return Target(
        title=f"{run.name}, {_of_images(images, data_name(data))}",
        description={"run": run.name, "data": data["digest"], "weights": digests, "images": images},
        epochs=asked,
        code_shape=_code_shape(config),
        outputs=int(np.prod(data["image_shape"])),
        options=_own_options(config),
        end=end,
        build=lambda: _checkpoints(config, dataset_of(run, data_dir), images, seed, weights()),
    )


def _of_config(config: Config, run: str, dataset: Dataset, epochs: Sequence[int], images: int, seed: int) -> Target:
    if any(epochs):
        raise RunError(f"{run}: not trained, so only its initial weights exist (epoch 0)")
    _check_images(images, len(dataset.test))
    return Target(
        title=f"{run}, not trained, {_of_images(images, dataset.called)}",
        description={"run": run, "data": dataset.digest, "weights": "first", "images": images},
        epochs=(0,),
        code_shape=_code_shape(config),
        outputs=dataset.num_pixels,
        options=_own_options(config),
        end=_end(config, len(dataset.train)),
        build=lambda: _checkpoints(config, dataset, images, seed, {0: None}),
        remarks=dataset.remarks,
    )


def _checkpoints(
    config: Config, dataset: Dataset, images: int, seed: int, weights: Mapping[int, Mapping[str, Any] | None]
) -> "tuple[Subject, dict[int | None, Tensors]]":
    """The autoencoder of a config on some test images, and its weights by epoch; None: the initial ones."""
    import tensorflow as tf

    from vaecli.auditing.subjects import Checkpoint
    from vaecli.models.autoencoder import build

    autoencoder = build(config, dataset.image_shape, dataset)
    chosen = np.sort(np.random.default_rng(seed).choice(len(dataset.test), images, replace=False))
    pictures = dataset.floats(dataset.test.images[chosen])
    tensors: dict[int | None, Tensors] = {}
    for epoch, arrays in weights.items():
        first = {name: variable.numpy() for name, variable in autoencoder.weights.items()}
        tensors[epoch] = [tf.constant((arrays or first)[name]) for name in autoencoder.weights]
    return Checkpoint(autoencoder, pictures), tensors


def _check(name: str, config: Config) -> None:
    if config.model.method.estimator is None:
        raise RunError(f"{name}: {config.model.name} draws no categorical codes, so there is no estimator to audit")
    L, K = _code_shape(config)
    if L * np.log2(K) > np.log2(MOST_CODES):
        raise ConfigError([f"{name}: the exact gradient decodes {K}^{L} codes; at most {MOST_CODES:,} are possible"])


def _check_images(images: int, there: int) -> None:
    if images > there:
        raise ConfigError([f"--images {images}: the test set has {there:,}"])


def _code_shape(config: Config) -> tuple[int, int]:
    latent = Latent.of(config.model.codes)
    return latent.codes_per_position, latent.most_values or 0


def _end(config: Config, images: int) -> Progress:
    """The end of a training on so many images."""
    steps_per_epoch = config.training.batches(images)
    return Progress.end(config.training.total_steps(steps_per_epoch), steps_per_epoch)


def _own_options(config: Config) -> dict[str, dict[str, Any]]:
    """Options so that the method's own estimator is audited as it was trained, except for its temperature."""
    estimator = config.model.method.estimator
    assert estimator is not None
    options = config.model.options()
    return {config.model.name: {name: options[name] for name in estimator.options}}


def _of_images(images: int, data: str) -> str:
    return f"{images:,} test image{'s' * (images != 1)} of {data}"
