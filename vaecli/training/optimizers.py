"""The optimiser of a config. Its constructor takes the keys of its block as keywords of the same names."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from vaecli.backend.optimizers import LearningRate, Optimizer, adam, of_keras, sgd
from vaecli.backend.radam import RAdam
from vaecli.config.schema import TrainingConfig


class Muon(keras.optimizers.Muon):
    """Muon for every matrix, including those with "embedding" in their name, which Keras would leave to Adam."""

    def __init__(self, *, beta_1: float, beta_2: float, weight_decay: float, **options: Any) -> None:
        super().__init__(
            adam_beta_1=beta_1,
            adam_beta_2=beta_2,
            weight_decay=weight_decay,
            adam_weight_decay=weight_decay,
            exclude_embeddings=False,
            **options,
        )


OURS: Mapping[str, Callable[..., Optimizer]] = {"adam": adam, "sgd": sgd}
KERAS: Mapping[str, type[keras.Optimizer]] = {
    "adamw": keras.optimizers.AdamW,
    "lion": keras.optimizers.Lion,
    "muon": Muon,
    "nadam": keras.optimizers.Nadam,
    "radam": RAdam,
    "rmsprop": keras.optimizers.RMSprop,
}


def optimizer(training: TrainingConfig, variables: list[keras.Variable], learning_rate: LearningRate) -> Optimizer:
    """The optimiser that a config describes, for the weights in these variables."""
    own = set(type(training).model_fields) - set(TrainingConfig.model_fields)
    keys = {"learning_rate": learning_rate, **training.model_dump(include=own)}
    name = training.optimizer
    return OURS[name](**keys) if name in OURS else of_keras(KERAS[name], variables, **keys)
