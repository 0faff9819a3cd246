"""Trained models for use from Python: `from vaecli import load_run`."""

import math
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaecli.backend.process import import_keras, prepared
from vaecli.config import Config
from vaecli.data.dataset import Images, channels_last, checked_pixels
from vaecli.errors import DataError, RunError
from vaecli.runs import Run
from vaecli.runs.find import no_run

if TYPE_CHECKING:
    from vaecli.models.autoencoder import Autoencoder

Floats = NDArray[np.float32]

MOST_AT_ONCE = 256  # images
PIXELS_AT_ONCE = 2**20  # of larger images fewer are computed at once


def _nobody(done: int) -> None:
    del done


class Encoded(NamedTuple):
    """The codes of N images. The rate is KL(q(z|x) || p(z))."""

    z: Floats  # [N, L, D], the decoder's input for L codes; a vector has L = 1
    codes: NDArray[np.int32] | None  # [N, L]; None for a Gaussian
    rate: Floats  # [N] nats


class Coded(NamedTuple):
    """What `decode` takes of N images, in the layout of the positions, and the rate."""

    latents: NDArray[np.int32] | Floats  # codes [N, L], of a grid [N, H', W', L]; of a Gaussian D numbers for L codes
    rate: Floats  # [N] nats


class TrainedRun:
    """A finished run: its config, metrics and summary, and its model on numpy images.

    Any number of images is computed in chunks of one size, the last one filled up, so that a program is compiled once
    and an image's results do not depend on how many follow it. `told` is called with how many are done.

    z: Floats  # [N, L, D], what the decoder reads of L codes; of a vector L = 1
    """

    def __init__(self, run: Run, weights: str = "last") -> None:
        self.path = run.path
        self.config: Config = run.config
        self.metrics = run.metrics
        self.summary = run.summary
        self.image_shape = tuple(run.info["data"]["image_shape"])
        self.latent = run.latent
        self.scale = float(run.info["data"]["scale"])
        self._weights = run.load_weights(weights)

    def __fspath__(self) -> str:
        """The folder: a run can be passed as a path, as in `vaecli.plot(run)`."""
        return str(self.path)

    def encode(self, images: ArrayLike, *, seed: int | None = None) -> Encoded:
        """The most probable codes (a Gaussian's mean); with a seed, a sample.

        Args:
            images: [N, H, W], [N, H, W, C] or [N, C, H, W]: pixels as the run was trained on, or floats in [0, 1].

        Raises:
            DataError: images of another shape, or with values that training would refuse.
        """
        z, codes, rate = zip(*self._encoded(self._checked(images), seed), strict=True)
        found = None if self.latent.alphabets is None else np.concatenate(codes)
        return Encoded(np.concatenate(z), found, np.concatenate(rate))

    def latents(self, images: ArrayLike, *, seed: int | None = None, told: Callable[[int], None] = _nobody) -> Coded:
        """Does what `encode` does, without z, which takes far more memory than the codes of a grid."""
        checked = self._checked(images)
        rate = np.empty(len(checked), np.float32)
        kind = np.dtype(np.int32 if self.latent.discrete else np.float32)
        latents: NDArray[Any] = np.empty((len(checked), *self.latent.layout), kind)
        for done, part in _counted(self._encoded(checked, seed), len(checked), told):
            latents[done] = self._of(part).reshape(-1, *self.latent.layout)
            rate[done] = part.rate
        return Coded(latents, rate)

    def decode(self, latents: ArrayLike, *, told: Callable[[int], None] = _nobody) -> Floats:
        """Images [N, H, W], in colour [N, H, W, 3], of codes [N, L] (or [N], where L is 1), or of vectors [N, D].

        Codes of a grid are [N, H', W', L], or side by side as `encode` has them.

        Raises:
            DataError: another shape or type, codes out of range, or vectors that are not finite.
        """
        checked = self._checked_latents(np.asarray(latents))
        return self._filled(self._decoded(checked), len(checked), told)

    def reconstruct(
        self, images: ArrayLike, *, seed: int | None = None, told: Callable[[int], None] = _nobody
    ) -> Floats:
        """The images decoded from their own most probable codes, or with a seed from a sample.

        They are those of `decode` on what `encode` gives, bit for bit. Raises as `encode` does.
        """
        checked = self._checked(images)
        parts = (pixels for part in self._encoded(checked, seed) for pixels in self._decoded(self._of(part)))
        return self._filled(parts, len(checked), told)

    @cached_property
    def autoencoder(self) -> "Autoencoder":
        """The model with its weights, in TensorFlow."""
        with prepared():
            import_keras()
            from vaecli.models.autoencoder import build

            autoencoder = build(self.config, self.image_shape)
        for name, variable in autoencoder.weights.items():
            array = self._weights.get(name)
            if array is None or array.shape != tuple(variable.shape) or array.dtype != variable.dtype:
                found = "missing" if array is None else f"{array.dtype} {array.shape}"
                raise RunError(f"{self.path}: weights {name}: {variable.dtype} {variable.shape} is needed, {found}")
            variable.assign(array)
        return autoencoder

    @cached_property
    def _programs(self) -> dict[tuple[str, bool], Any]:
        return {}

    def _compiled(self, what: str, sampled: bool) -> Any:
        """The functions, one compiled program each."""
        if (what, sampled) not in self._programs:
            autoencoder = self.autoencoder
            import tensorflow as tf

            functions = {
                "encode": lambda x, seed: autoencoder.bottleneck.encode(
                    autoencoder.encoder(x), seed=seed if sampled else None
                ),
                "decode": lambda x, seed: (autoencoder.pixels(autoencoder.bottleneck.lookup(x)),),
            }
            self._programs[what, sampled] = tf.function(
                functions[what], jit_compile=autoencoder.compiler == "xla", autograph=False
            )
        return self._programs[what, sampled]

    @property
    def _at_once(self) -> int:
        """The images of a chunk."""
        return max(1, min(MOST_AT_ONCE, PIXELS_AT_ONCE // math.prod(self.image_shape)))

    def _run(self, what: str, array: NDArray[Any], seed: int | None = None) -> Iterator[list[Any]]:
        """The results of each chunk; of no images, one of none. Chunks draw independently of each other."""
        compiled, size = self._compiled(what, seed is not None), self._at_once
        for chunk, start in enumerate(range(0, max(1, len(array)), size)):
            part = array[start : start + size]
            whole = np.zeros((size, *array.shape[1:]), array.dtype)
            whole[: len(part)] = part
            if what == "encode":
                whole = self._floats(whole)
            results = compiled(whole, np.array([seed or 0, 5 + chunk], np.int32))
            yield [None if result is None else result.numpy()[: len(part)] for result in results]

    def _encoded(self, images: Images, seed: int | None) -> Iterator[Encoded]:
        return (Encoded(*part) for part in self._run("encode", images, seed))

    def _decoded(self, latents: NDArray[Any]) -> Iterator[Floats]:
        return (pixels.reshape(-1, *self.image_shape) for (pixels,) in self._run("decode", latents))

    def _of(self, part: Encoded) -> NDArray[Any]:
        """What `lookup` takes: codes [N, L], or latent vectors [N, D]."""
        return part.z.reshape(-1, self.latent.size) if part.codes is None else part.codes

    def _filled(self, parts: Iterator[Floats], count: int, told: Callable[[int], None]) -> Floats:
        """The parts as one array of `count` images; side by side with a list of them it would be there twice."""
        pixels = np.empty((count, *self.image_shape), np.float32)
        for done, part in _counted(parts, count, told):
            pixels[done] = part
        return pixels

    def _checked(self, images: ArrayLike) -> Images:
        """[N, H, W, C], in the type that they came in."""
        array, shape = channels_last(np.asarray(images)), self.image_shape
        if array.shape[1:] not in (shape, (*shape, 1)[:3]):
            raise DataError(f"images [N, {', '.join(map(str, shape))}] are needed, received shape {array.shape}")
        pixels = checked_pixels(array, called="images", scale=self.scale)
        if pixels.dtype == np.uint8 and pixels.size and pixels.max() == 1:
            raise DataError(f"images: integer pixels lie in 0..{round(1 / self.scale)} here; zeros and ones are floats")
        return pixels.reshape(len(array), *(*shape, 1)[:3])

    def _floats(self, images: Images) -> Floats:
        """Checked images in [0, 1], binarized if the run's were, by a threshold."""
        floats = images.astype(np.float32) * np.float32(self.scale if images.dtype.kind == "u" else 1.0)
        data = self.config.data
        return (floats > data.above).astype(np.float32) if data.binarization == "threshold" else floats

    def _checked_latents(self, latents: NDArray[Any]) -> NDArray[Any]:
        """[N, L] integers in the range of each code, or [N, D] finite numbers."""
        latent, shape = self.latent, latents.shape
        if latent.discrete and latents.ndim == 1:
            latents = latents[:, None]
        if latents.shape[1:] == latent.layout:
            latents = latents.reshape(len(latents), math.prod(latent.layout))
        width, kinds = (latent.num_codes, "iu") if latent.discrete else (latent.size, "iuf")
        if latents.ndim != 2 or latents.shape[1] != width or latents.dtype.kind not in kinds:
            needed = "integer codes" if latent.discrete else "latent vectors"
            raise DataError(f"{needed} [N, {width}] are needed, received {latents.dtype} of shape {shape}")
        if latent.alphabets is None:
            if not np.isfinite(latents).all():
                raise DataError(f"latent vectors that are NaN or infinite: {np.count_nonzero(~np.isfinite(latents)):,}")
            return latents.astype(np.float32)
        for column, values in zip(latents.T, latent.alphabets * latent.num_positions, strict=True):
            if column.size and not 0 <= column.min() <= column.max() < values:
                raise DataError(f"codes lie in 0..{values - 1}, received {column.min()}..{column.max()}")
        return latents.astype(np.int32)


def _counted(parts: Iterator[Any], count: int, told: Callable[[int], None]) -> Iterator[tuple[slice, Any]]:
    """Each part with its place among all of them."""
    done = 0
    for part in parts:
        size = len(part.rate if isinstance(part, Encoded) else part)
        yield slice(done, done + size), part
        done += size
        if count:
            told(done)


def load_run(path: str | Path, *, weights: str = "last") -> TrainedRun:
    """Loads the finished run of a folder, e.g. "outputs/gumbel-1a2b3c4d-s0".

    Args:
        weights: "last", "best" (on the validation split, where there was one) or a milestone such as "epoch-00005".

    Raises:
        RunError: the folder is not a finished run, or has no such weights.
    """
    run = Run(Path(path).expanduser())
    if not run.exists:
        raise no_run(path)
    return TrainedRun(run, weights)
