"""Parts of a trained model for plain Keras, TensorFlow and ONNX."""

import importlib.util
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vaecli.config.latent import Exported
from vaecli.errors import ConfigError, RunError
from vaecli.experiment.apply import free
from vaecli.experiment.prior import load_prior
from vaecli.runs import Run
from vaecli.runs.added import usable_priors
from vaecli.runs.files import write_by, write_folder_by

if TYPE_CHECKING:
    import keras

Format = Literal["keras", "savedmodel", "onnx"]
PRIORS: tuple[Exported, ...] = ("prior", "prior-by-label")  # parts that are no part of the autoencoder

ENDINGS: Mapping[Format, str] = {"keras": ".keras", "savedmodel": "", "onnx": ".onnx"}
CONVERTERS = ("tf2onnx", "onnx")
MARK = "saved_model.pb"  # a folder with this file is a SavedModel


def place_of(output: Path, form: Format, *, force: bool) -> Path:
    """The path itself, if the model may be written there in this format.

    Raises:
        ConfigError: it is taken, has another ending than Keras asks for, or the format needs what is not installed.
    """
    missing = [name for name in CONVERTERS if importlib.util.find_spec(name) is None] if form == "onnx" else []
    if missing:
        raise ConfigError([f"--format onnx: {' and '.join(missing)} missing; pip install 'vaecli[onnx]'"])
    if ENDINGS[form] and output.suffix != ENDINGS[form]:
        raise ConfigError([f"{output}: a file that ends in {ENDINGS[form]} is needed for --format {form}"])
    if form == "savedmodel" and force and os.path.isfile(output / MARK):
        return output
    return free(output, force=force)


def prior_of(run: Run, part: Exported, weights: str) -> "keras.Model":
    """The model of a run's autoregressive prior, that of all images or that by label.

    Raises:
        ConfigError: other weights than the last are asked for, whose codes it is of.
        RunError: the run has no such prior.
    """
    from vaecli.models.priors import AutoregressivePrior

    by_label = part == "prior-by-label"
    if weights != "last":
        raise ConfigError([f"--weights {weights}: a prior is of the codes that the last weights give"])
    for fitted in usable_priors(run):
        if (fitted["kind"], fitted["conditional"]) == ("autoregressive", by_label):
            prior = load_prior(run, fitted)
            assert isinstance(prior, AutoregressivePrior)
            return prior.export()
    option = " --conditional" * by_label
    raise RunError(f"{run.name}: has no such prior; `vaecli prior {run.name} --kind autoregressive{option}` fits it")


def write_model(model: "keras.Model", path: Path, form: Format) -> None:
    """Writes the model beside and renames it.

    Raises:
        ConfigError: ONNX' converter does not know a layer of it.
        RunFailed: the disk or the folder refuses.
    """
    if form == "savedmodel":
        write_folder_by(path, lambda part: model.export(part, format="tf_saved_model", verbose=False))
    else:
        save: Callable[[Path], None] = model.save if form == "keras" else lambda part: _to_onnx(model, part)
        write_by(path, save)


def _to_onnx(model: "keras.Model", part: Path) -> None:
    import numpy as np
    import onnx

    zeros = [np.zeros((1, *read.shape[1:]), read.dtype) for read in model.inputs]
    model(zeros if len(zeros) > 1 else zeros[0])  # Keras exports what has been called
    model.export(part, format="onnx", verbose=False)
    try:
        onnx.checker.check_model(part)
    except onnx.checker.ValidationError as error:  # the converter has left in what it does not know
        what = str(error).splitlines()[0]
        raise ConfigError(
            [f"--format onnx: tf2onnx cannot convert this model ({what}); keras and savedmodel can"]
        ) from None
