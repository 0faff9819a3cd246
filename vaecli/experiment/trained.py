"""Trained models for use from Python: `from vaecli import load_run`."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaecli.backend.process import prepared
from vaecli.config import Config
from vaecli.errors import DataError, RunError
from vaecli.runs import Run

if TYPE_CHECKING:
    from vaecli.models.autoencoder import Autoencoder

Floats = NDArray[np.float32]


class Encoded(NamedTuple):
    """The codes of N images. The rate is KL(q(z|x) || p(z))."""

    z: Floats  # [N, L, D], the decoder's input for L codes; a vector has L = 1
    codes: NDArray[np.int32] | None  # [N, L]; None for a Gaussian
    rate: Floats  # [N] nats


class TrainedRun:
    """A finished run: its config, metrics and summary, and its model on numpy images.

    z: Floats  # [N, L, D], what the decoder reads of L codes; of a vector L = 1
    """

    def __init__(self, run: Run, weights: str = "last") -> None:
        self.path = run.path
        self.config: Config = run.config
        self.metrics = run.metrics
        self.summary = run.summary
        self.image_shape = tuple(run.info["data"]["image_shape"])
        self.latent = run.latent
        self._scale = float(run.info["data"]["scale"])
        self._weights = run.load_weights(weights)

    def __fspath__(self) -> str:
        """The folder: a run can be passed as a path, as in `vaecli.plot(run)`."""
        return str(self.path)

    def encode(self, images: ArrayLike, *, seed: int | None = None) -> Encoded:
        """The most probable codes (a Gaussian's mean); with a seed, a sample."""
        latent = self._compiled("encode", seed is not None)(self._checked(images), self._seed(seed))
        codes = None if latent.codes is None else latent.codes.numpy()
        return Encoded(latent.z.numpy(), codes, latent.rate.numpy())

    def decode(self, latents: ArrayLike) -> Floats:
        """Images [N, H, W], in colour [N, H, W, 3], of codes [N, L] (or [N], where L is 1), or of a Gaussian's latent
        vectors [N, D].
        """
        latents = np.asarray(latents)
        num_latents, width, alphabets = self.latent.num_codes, self.latent.size, self.latent.alphabets
        if alphabets is None:
            latents = latents.astype(np.float32)
            if latents.ndim != 2 or latents.shape[1] != width:
                raise DataError(f"latent vectors [N, {width}] are needed, received shape {latents.shape}")
        else:
            latents = latents[:, None] if latents.ndim == 1 else latents
            if latents.ndim != 2 or latents.shape[1] != num_latents or latents.dtype.kind not in "iu":
                raise DataError(
                    f"integer codes [N, {num_latents}] are needed, received {latents.dtype} {latents.shape}"
                )
            for column, values in zip(latents.T, alphabets * self.latent.num_positions, strict=True):
                if column.size and not 0 <= column.min() <= column.max() < values:
                    raise DataError(f"codes lie in 0..{values - 1}, received {column.min()}..{column.max()}")
            latents = latents.astype(np.int32)
        return self._images(self._compiled("decode", False)(latents, self._seed(None)))

    def reconstruct(self, images: ArrayLike, *, seed: int | None = None) -> Floats:
        """The images decoded from their own most probable codes, or with a seed from a sample."""
        return self._images(self._compiled("reconstruct", seed is not None)(self._checked(images), self._seed(seed)))

    @cached_property
    def autoencoder(self) -> "Autoencoder":
        """The model with its weights, in TensorFlow."""
        with prepared():
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

            def encode(x: tf.Tensor, seed: tf.Tensor) -> Any:
                features = autoencoder.encoder(x)
                return autoencoder.bottleneck.encode(features, seed=seed if sampled else None)

            functions = {
                "encode": encode,
                "decode": lambda x, seed: autoencoder.pixels(autoencoder.bottleneck.lookup(x)),
                "reconstruct": lambda x, seed: autoencoder.pixels(encode(x, seed).z),
            }
            self._programs[what, sampled] = tf.function(
                functions[what],
                jit_compile=autoencoder.compiler == "xla",
                autograph=False,
                reduce_retracing=True,
            )
        return self._programs[what, sampled]

    def _checked(self, images: ArrayLike) -> Floats:
        """[N, H, W, C] in [0, 1]."""
        array = np.asarray(images)
        shape = self.image_shape
        if array.shape[1:] not in (shape, (*shape, 1)[:3]):
            raise DataError(f"images [N, {', '.join(map(str, shape))}] are needed, received shape {array.shape}")
        scale = self._scale if array.dtype.kind in "iu" else 1.0
        floats = array.reshape(len(array), *(*shape, 1)[:3]).astype(np.float32) * np.float32(scale)
        data = self.config.data
        return (floats > data.above).astype(np.float32) if data.binarization == "threshold" else floats

    def _images(self, pixels: Any) -> Floats:
        return pixels.numpy().reshape(-1, *self.image_shape)

    def _seed(self, seed: int | None) -> NDArray[np.int32]:
        return np.array([seed or 0, 5], np.int32)


def load_run(path: str | Path, *, weights: str = "last") -> TrainedRun:
    """Loads the finished run of a folder, e.g. "outputs/gumbel-1a2b3c4d-s0".

    Args:
        weights: "last", "best" (on the validation split, where there was one) or a milestone such as "epoch-00005".

    Raises:
        RunError: the folder is not a finished run, or has no such weights.
    """
    run = Run(Path(path))
    if not run.exists:
        raise RunError(f"{path}: not a run folder (no run.json in it)")
    return TrainedRun(run, weights)
