"""Resolves `auto`: decided here, before a run has a name, and recorded resolved."""

from vaecli.config.schema import Config


def resolved(config: Config) -> Config:
    """The config with every `auto` replaced by what it means for this config."""
    if config.training.output_bias != "auto":
        return config
    start = "data_mean" if config.objective.in_nats else "zero"  # with a squared error, some methods lose by it
    return config.model_copy(update={"training": config.training.model_copy(update={"output_bias": start})})
