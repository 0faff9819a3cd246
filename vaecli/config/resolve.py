"""Resolves what a config leaves open: decided here, before a run has a name, and recorded resolved."""

from typing import Any, Literal

from vaecli.config.schema import Config, MlpConfig, NetworkConfig

# Epochs on data that stand in for those of a config, for each of its own. Ten of MNIST are 9,370 steps, ten of the
# digits 220, after which gumbel has one code; after 2,200 gumbel and straight_through have learned and the relaxation
# gap is there, and after 9,370 it is only wider. Measured: .github/docs/data.md, at data.fallback.
EPOCHS_FOR_ONE = 10


def resolved(config: Config) -> Config:
    """The config with every `auto` replaced by what it means for this config, and with data that were found."""
    training = config.training
    if training.output_bias == "auto":
        start = "data_mean" if config.objective.in_nats else "zero"  # with a squared error, some methods lose by it
        training = training.model_copy(update={"output_bias": start})
    if training.learning_rate == "auto":
        training = training.model_copy(update={"learning_rate": learning_rate(config)})
    if training.compile == "auto":
        training = training.model_copy(update={"compile": compiler(config.network, training.precision)})
    return config.model_copy(update={"training": training, "data": config.data.located})


def learning_rate(config: Config) -> float:
    """The step size where none is asked for.

    Behind several hidden layers, steps of 0.001 send all images to one code of a single latent before the decoder knows
    the codes apart; with several latents they seldom do, and learn faster. Measured: tests/benchmarks/matrix.py.
    """
    deep = isinstance(config.network, MlpConfig) and len(config.network.hidden) > 1
    return 3e-4 if deep and config.model.options().get("num_latents") == 1 else 1e-3


def compiler(network: NetworkConfig, precision: str) -> Literal["xla", "graph"]:
    """How a step of this network is compiled on a processor if nothing is asked for.

    XLA fuses what stands between the products of dense layers: at all sizes measured, 128 to 2048-1024, a graph takes
    1.1 to 2.7 times as long. Inside a loop it has no fast convolution, and no fast product of bfloat16. Measured:
    tests/benchmarks/modes.py.
    """
    return "graph" if network.kind == "conv" or precision != "float32" else "xla"


def standing_in(config: Config, name: str) -> Config:
    """The config on smaller data that are used instead of its own: for more epochs, so that it learns as much there.

    Whatever is counted in epochs is multiplied: the length, and the warm-ups and horizons of schedules. A length in
    steps is kept.
    """
    changed: dict[str, dict[str, Any]] = {"data": {"name": name, "fallback": None}, "training": {}}
    if config.training.epochs is not None:
        changed["training"]["epochs"] = EPOCHS_FOR_ONE * config.training.epochs
    for (block, key), schedule in config.schedules.items():
        lengths = {length: getattr(schedule, length) for length in ("warm_up", "horizon")}
        longer = {length: EPOCHS_FOR_ONE * epochs for length, epochs in lengths.items() if epochs}
        changed.setdefault(block, {})[key] = schedule.model_copy(update=longer)
    blocks = {block: getattr(config, block).model_copy(update=values) for block, values in changed.items()}
    return config.model_copy(update=blocks)
