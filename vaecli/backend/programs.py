"""Compiled programs, shared by all runs of a process that they are the same for."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import tensorflow as tf

KEPT = 32  # XLA lets no program go before its process ends; this bounds what is kept beside them
_programs: OrderedDict[Hashable, Any] = OrderedDict()


def program(function: Callable[..., Any], *key: Hashable) -> Any:
    """`function`, compiled by XLA; or what an earlier one of the same key was compiled to.

    So a second seed of a method compiles nothing (measured: 3 of 12 seconds of a run at the article's size).

    Args:
        function: of tensors; it holds no data, as it is kept.
        key: everything but its arguments that the function depends on.
    """
    if key not in _programs:
        _programs[key] = tf.function(function, jit_compile=True, autograph=False)
        if len(_programs) > KEPT:
            _programs.popitem(last=False)
    _programs.move_to_end(key)
    return _programs[key]
