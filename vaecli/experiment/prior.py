"""`vaecli prior RUN`: a prior over the codes of a finished run, fitted once and kept in its folder."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vaecli.backend.process import chatter, import_keras
from vaecli.config import Config
from vaecli.config.shapes import latent_of
from vaecli.data import Dataset, Split
from vaecli.data.download import Progress
from vaecli.errors import ConfigError, DataError, Interrupted, RunError, RunFailed
from vaecli.experiment.memory import LIBRARIES, available
from vaecli.experiment.origin import dataset_of, digest_of, no_split
from vaecli.experiment.trained import TrainedRun
from vaecli.runs import Run
from vaecli.runs.added import usable_priors
from vaecli.runs.checkpoints import is_of
from vaecli.runs.schema import CodeLengths, Estimate, FittedPrior, PriorKind

if TYPE_CHECKING:
    from vaecli.models.priors import Prior
    from vaecli.training.prior import PriorState, PriorTrainer

VERSION = 1  # rises when the same training gives other weights
SAVED_EVERY = 20.0  # seconds between two saved states
TOKENS = 15_000_000  # codes that are predicted, after which it ends: some minutes on two cores
MOST_EPOCHS = 50
ATTENTIONS = 10  # arrays [B, H, N, N] that a step of the transformer holds at most

Told = Callable[[int], None]
Counting = Callable[[str, int], Told]  # what, of how many


class Asked(NamedTuple):
    """A prior that is asked for."""

    kind: PriorKind
    conditional: bool
    epochs: int | None  # at most; None: as many as the default


class Coded(NamedTuple):
    """The codes of both splits, and their classes: the place of each label among all labels, or 0."""

    train: NDArray[np.int32]  # [M, N]
    test: NDArray[np.int32]
    train_classes: NDArray[np.int64]  # [M]
    test_classes: NDArray[np.int64]
    labels: list[int]  # none where the prior is not conditional


def asked_of(run: Run, kind: PriorKind | None, *, conditional: bool, epochs: int | None) -> Asked:
    """What is asked of a finished run; by default the codes of an image depend on each other if it has several.

    Raises:
        RunError: the run is not finished.
        ConfigError: it has no codes, no training images of its own, or nothing to train for so many epochs.
    """
    _, config, latent = run.summary, run.config, run.latent
    if not latent.discrete:
        raise ConfigError(
            [f"{run.name}: {config.model.name} has no codes to fit a prior to; that of its vectors is N(0, 1)"]
        )
    if reason := no_split(config, "train"):
        raise ConfigError([f"{run.name}: a prior is fitted to the codes of the training images, but {reason}"])
    chosen: PriorKind = kind or ("autoregressive" if latent.num_codes > 1 else "independent")
    if epochs is not None and chosen == "independent":
        raise ConfigError([f"--epochs {epochs}: an independent prior is counted, not trained"])
    return Asked(chosen, conditional, epochs)


def known(run: Run, asked: Asked, say: Callable[[str], None]) -> FittedPrior | None:
    """The prior that was fitted before; None if there is none that can be used, which is reported if it is damaged."""
    try:
        for prior in run.priors:
            same = (prior["kind"], prior["conditional"]) == (asked.kind, asked.conditional)
            if same and asked.epochs in (None, prior["asked"]):
                _ = run.load_prior(prior)
                return prior
    except RunError as error:
        say(str(error))
    return None


def default_epochs(num_images: int, num_codes: int) -> int:
    """Epochs of an autoregressive prior at most: as many as TOKENS allows."""
    return min(MOST_EPOCHS, max(1, TOKENS // (num_images * num_codes)))


def without_codes(config: Config, image_shape: Sequence[int]) -> str | None:
    """Why no prior can be fitted to the codes of a run; None if one can."""
    return no_split(config, "train") if latent_of(config, image_shape).discrete else "it has no codes"


def lacks(run: Run, kind: PriorKind) -> bool:
    """Whether a run has no prior of this kind without labels, or none that can be used."""
    return not any(prior["kind"] == kind and not prior["conditional"] for prior in usable_priors(run))


def fit(
    run: Run,
    asked: Asked,
    data_dir: Path | None,
    *,
    fetching: Progress,
    counting: Counting,
    say: Callable[[str], None],
    stop: Callable[[], int | None],
    dataset: Dataset | None = None,
) -> FittedPrior:
    """Fits the prior to the codes of the training images, measures both splits' code lengths, and keeps it.

    Args:
        counting: makes a function that is called with how many of a total are done.
        dataset: what the run was trained on, where that is loaded already.
        stop: the exit code to stop with, or None.

    Raises:
        ConfigError: the images have no labels.
        DataError: the data is not available, or differs from what the run was trained on.
        Interrupted: stopped; the state is saved, and the same call resumes.
        RunFailed: it does not fit into memory, or the folder cannot be written.
    """
    digest = digest_of(run, "last")
    with run.lock(), chatter(run.tensorflow_log):
        import_keras()
        coded = _coded(run, asked, dataset or dataset_of(run, data_dir, fetching), counting)
        classes, latent = max(1, len(coded.labels)), run.latent
        from vaecli.models.priors import AutoregressivePrior, IndependentPrior

        prior: Prior
        epochs = most = None
        if asked.kind == "independent":
            prior = IndependentPrior.fit(latent, coded.train, coded.train_classes, classes)
        else:
            from vaecli.training.prior import PriorTrainer

            _check_memory(run)
            seed = run.config.training.seed
            prior = AutoregressivePrior(latent, classes, seed=seed)
            most = asked.epochs or default_epochs(len(coded.train), latent.num_codes)
            trainer = PriorTrainer(prior, coded.train, coded.train_classes, epochs=most, seed=seed)
            epochs = _train(run, asked, trainer, digest, counting=counting, say=say, stop=stop)
        arrays = prior.arrays()
        lengths: CodeLengths = {
            "train": _bits(prior, coded.train, coded.train_classes),
            "test": _bits(prior, coded.test, coded.test_classes),
        }
        fitted: FittedPrior = {
            "kind": asked.kind,
            "conditional": asked.conditional,
            "labels": coded.labels,
            "digest": digest,
            "file": run.save_prior(asked.kind, arrays, conditional=asked.conditional),
            "epochs": epochs,
            "asked": most,
            "parameters": sum(array.size for array in arrays.values()),
            "code_length": lengths,
        }
        _keep(run, fitted)
        run.drop_prior_state(asked.kind, conditional=asked.conditional)
    return fitted


def load_prior(run: Run, fitted: FittedPrior) -> "Prior":
    """A prior that was fitted; raises RunError if its file is not what was written."""
    from vaecli.models.priors import AutoregressivePrior, IndependentPrior

    try:
        of_kind = IndependentPrior if fitted["kind"] == "independent" else AutoregressivePrior
        return of_kind.from_arrays(run.latent, run.load_prior(fitted), max(1, len(fitted["labels"])))
    except (KeyError, ValueError) as error:
        why = f"no {error.args[0]}" if isinstance(error, KeyError) else error
        raise RunError(f"{run.prior_json}: the arrays of its {fitted['kind']} prior do not fit ({why})") from None


def _coded(run: Run, asked: Asked, dataset: Dataset, counting: Counting) -> Coded:
    trained = TrainedRun(run)
    labels: list[int] = []
    if asked.conditional:
        if dataset.train.labels is None or dataset.test.labels is None:
            raise ConfigError([f"{run.name}: --conditional needs labels, and {dataset.called} has none"])
        labels = sorted(map(int, np.unique(dataset.train.labels)))

    def codes(name: str, split: Split) -> NDArray[np.int32]:
        found = trained.latents(split.images, told=counting(f"{name} images", len(split))).latents
        return found.reshape(len(split), -1).astype(np.int32)

    return Coded(
        codes("training", dataset.train),
        codes("test", dataset.test),
        classes_of(dataset.train.labels, labels, len(dataset.train)),
        classes_of(dataset.test.labels, labels, len(dataset.test)),
        labels,
    )


def classes_of(found: "NDArray[np.int32] | None", labels: list[int], count: int) -> NDArray[np.int64]:
    """The place of each image's label among those of the training images."""
    if not labels or found is None:
        return np.zeros(count, np.int64)
    if unknown := set(map(int, np.unique(found))) - set(labels):
        raise DataError(f"--conditional: test images have the label {min(unknown)}, and no training image has it")
    return np.searchsorted(labels, found).astype(np.int64)


def _check_memory(run: Run) -> None:
    """Raises RunFailed where the transformer would need more memory than is free."""
    from vaecli.models.priors import HEADS
    from vaecli.training.prior import BATCH

    codes = run.latent.num_codes
    need = LIBRARIES + 4 * BATCH * (ATTENTIONS * HEADS * codes**2 + 8 * codes * (run.latent.most_values or 0))
    free = available()
    if free is not None and need > free:
        raise RunFailed(
            f"{run.name}: an autoregressive prior over {codes:,} codes needs about {need / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB are free; `--kind independent` needs little"
        )


def _train(
    run: Run,
    asked: Asked,
    trainer: "PriorTrainer",
    digest: str,
    *,
    counting: Counting,
    say: Callable[[str], None],
    stop: Callable[[], int | None],
) -> int:
    """Trains from the last saved state, and leaves the best weights in the prior; returns the epochs it took."""
    from vaecli.training.prior import from_arrays, to_arrays

    identity = _identity(asked, trainer, digest)

    def save(state: "PriorState") -> None:
        arrays = {**to_arrays(state, trainer.names), "config": np.frombuffer(identity.encode(), np.uint8)}
        run.save_prior_state(asked.kind, arrays, conditional=asked.conditional)

    first = trainer.initial_state()
    before = run.prior_state(asked.kind, conditional=asked.conditional)
    if before is not None and is_of(before, identity):
        first = from_arrays(before, trainer.names)
        say(f"{run.name}: resumed in epoch {first.epoch + 1} of at most {trainer.epochs}")
    elif run.pruned_prior_state(asked.kind, conditional=asked.conditional):
        say(f"{run.name}: begins again, as the state of this prior's training was pruned")
    total = trainer.epochs * trainer.steps_per_epoch
    told, saved = counting("steps", total), time.monotonic()
    state = first
    for state in trainer.states(first):
        told(trainer.done(state))
        code, over = stop(), trainer.over(state)
        if code or time.monotonic() - saved >= SAVED_EVERY:
            save(state)
            saved = time.monotonic()
        if code and not over:
            where = f"epoch {state.epoch + 1}, step {state.step} of {trainer.steps_per_epoch}"
            raise Interrupted(f"{run.path}: stopped and saved at {where}; the same command resumes", exit_code=code)
    if not math.isfinite(state.best_loss):
        raise RunFailed(f"{run.name}: the training of its prior diverged in epoch 1")
    if trainer.done(state) < total:
        say(f"{run.name}: ended after epoch {state.epoch}, as epoch {state.best_epoch} was the best on held-out codes")
    trainer.prior.assign({name: w.numpy() for name, w in zip(trainer.names, state.best, strict=True)})
    return state.best_epoch


def _identity(asked: Asked, trainer: "PriorTrainer", digest: str) -> str:
    """The hash of everything that a state of the training depends on."""
    meaning: dict[str, Any] = {"version": VERSION, "weights": digest, **asked._asdict(), "epochs": trainer.epochs}
    return hashlib.sha256(json.dumps({**meaning, "seed": trainer.seed}, sort_keys=True).encode()).hexdigest()


def _bits(prior: "Prior", codes: NDArray[np.int32], classes: NDArray[np.int64]) -> Estimate:
    """The mean code length in bits, and its standard error over the images."""
    bits = -prior.log_p(codes, classes) / math.log(2)
    error = float(bits.std(ddof=1)) / math.sqrt(len(bits)) if len(bits) > 1 else None
    return {"value": float(bits.mean()), "standard_error": error}


def _keep(run: Run, fitted: FittedPrior) -> None:
    """Writes prior.json with the priors of other kinds that it held before and that can still be used."""
    try:
        before = run.priors
    except RunError:
        before = []
    this = (fitted["kind"], fitted["conditional"])
    run.save_priors([*(one for one in before if (one["kind"], one["conditional"]) != this), fitted])
