"""Compiled programs, shared by all runs of a process that need the same one."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import tensorflow as tf

KEPT = 32  # XLA frees no program before the process ends; this bounds what is kept beside them
_programs: OrderedDict[Hashable, Any] = OrderedDict()


def program(function: Callable[..., Any], *key: Hashable, compiler: str = "xla") -> Any:
    """The compiled function, or the program of an earlier function with the same key.

    A second seed of a method therefore compiles nothing (measured: 3 of 12 seconds of a run at the article's size).

    Args:
        function: takes tensors; it must hold no data, because it is kept.
        key: everything that the function depends on except its arguments.
        compiler: "xla"; or "graph": TensorFlow's own kernels, which are faster for convolutions.
    """
    key = (compiler, *key)
    if key not in _programs:
        _programs[key] = tf.function(function, jit_compile=compiler == "xla", autograph=False)
        if len(_programs) > KEPT:
            _programs.popitem(last=False)
    _programs.move_to_end(key)
    return _programs[key]
