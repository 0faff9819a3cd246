"""Configs: the schema, the YAML reader that knows line and column, and the templates of `vaecli init`."""

from vaecli.config.read import (
    config_from_text,
    config_from_tree,
    config_of_run,
    family_configs,
    find_config,
    is_config,
    preset_folders,
    read_config,
)
from vaecli.config.schema import Config
from vaecli.config.source import dump
from vaecli.config.template import template

__all__ = [
    "Config",
    "config_from_text",
    "config_from_tree",
    "config_of_run",
    "dump",
    "family_configs",
    "find_config",
    "is_config",
    "preset_folders",
    "read_config",
    "template",
]
