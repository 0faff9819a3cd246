"""Resolves what a config leaves open: decided here, before a run has a name, and recorded resolved."""

from vaecli.config.schema import Config


def resolved(config: Config) -> Config:
    """The config with every `auto` replaced by what it means for this config, and with absolute paths."""
    training = config.training
    if training.output_bias == "auto":
        start = "data_mean" if config.objective.in_nats else "zero"  # with a squared error, some methods lose by it
        training = training.model_copy(update={"output_bias": start})
    if training.compile == "auto":
        way = "graph" if config.network.kind == "conv" else "xla"  # measured: tests/benchmarks/convolutions.py
        training = training.model_copy(update={"compile": way})
    return config.model_copy(update={"training": training, "data": config.data.absolute})
