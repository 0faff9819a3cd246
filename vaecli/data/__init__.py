"""Data sets: found, fetched, verified, and never unpickled."""

from vaecli.data.dataset import Dataset, Split
from vaecli.data.load import load

__all__ = ["Dataset", "Split", "load"]
