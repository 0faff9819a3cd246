"""Resolves `auto`: decided here, before a run has a name, and recorded resolved."""

from vaecli.config.schema import Config

DENSITIES = ("bernoulli",)  # likelihoods in nats; with a squared error the remedy is mixed (README, "Starts")


def resolved(config: Config) -> Config:
    """The config with every `auto` replaced by what it means for this config."""
    if config.training.output_bias != "auto":
        return config
    start = "data_mean" if config.objective.likelihood in DENSITIES else "zero"
    return config.model_copy(update={"training": config.training.model_copy(update={"output_bias": start})})
