"""Values that change during training: functions of the share of steps done, and of nothing else.

They are therefore the same however the steps are divided into calls, and after a resume.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

# (start, end, progress 0 to 1) -> from start to end
SHAPES: Mapping[str, Callable[[float, float, tf.Tensor], tf.Tensor]] = {
    "exponential": lambda start, end, progress: start * tf.pow(end / start, progress),
    "linear": lambda start, end, progress: start + (end - start) * progress,
    "cosine": lambda start, end, progress: end + (start - end) * (1 + tf.cos(math.pi * progress)) / 2,
}


def scheduled(option: Any, progress: tf.Tensor | float) -> Any:
    """A value at `progress`: a number as it is, a schedule (config/options.py) evaluated in the graph."""
    if isinstance(option, int | float):
        return option
    value = SHAPES[option.schedule](option.start, option.end, tf.convert_to_tensor(progress, tf.float32))
    return tf.maximum(value, option.floor)
