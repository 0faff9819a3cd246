"""Values that change during training: functions of the step, of the length of an epoch and of that of the run.

They are therefore the same however the steps are divided into calls, and after a resume.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from vaecli.backend.progress import END, Progress

# (start, end, share 0 to 1) -> from start to end
SHAPES: Mapping[str, Callable[[float, float, tf.Tensor], tf.Tensor]] = {
    "exponential": lambda start, end, share: start * tf.pow(end / start, share),
    "linear": lambda start, end, share: start + (end - start) * share,
    "cosine": lambda start, end, share: end + (start - end) * (1 + tf.cos(math.pi * share)) / 2,
}


LAST = 2**31 - 1  # of the integers that count steps


def scheduled(option: Any, progress: Progress) -> Any:
    """The value of the next step: a number as it is, a schedule (config/options.py) evaluated in the graph.

    With W steps of warm-up, T of the horizon after it, and t finished steps, rounded down to a multiple of `every`:

        t < W     warm_up_from + (start - warm_up_from) t / W
        t >= W    max(floor, shape(min(1, (t - W) / T))), or max(floor, start * factor^((t - W) / every))

    A shape that restarts counts from the later of W and the beginning of the epoch, and its T is the epoch's. After the
    last step a value stays that of the last step, unless it is stretched over the run, whose end it then has.
    """
    if isinstance(option, int | float | str):
        return option
    if not option.stretched:
        progress = progress._replace(step=tf.minimum(progress.step, progress.steps - 1))
    warm_up = _steps(option.warm_up, progress)
    if not warm_up:
        return _shape(option, progress, 0)
    share = tf.cast(_updated(option, progress.step, progress), tf.float32) / warm_up
    first = option.warm_up_start
    return tf.where(progress.step < warm_up, first + (option.start - first) * share, _shape(option, progress, warm_up))


def measured(option: Any, progress: Progress) -> Any:
    """The value that a state is measured at, whose last step was this one: its own, or the end of what is stretched."""
    return scheduled(option, END if getattr(option, "stretched", False) else progress)


def _shape(option: Any, progress: Progress, warm_up: int) -> tf.Tensor:
    """The value after the warm-up."""
    if option.schedule == "constant":
        return tf.constant(option.start)
    done, whole = progress.step, progress.steps - warm_up
    if warm_up:
        done = tf.maximum(done - warm_up, 0)
    if option.restart == "epoch":
        done, whole = tf.minimum(done, progress.step % progress.steps_per_epoch), progress.steps_per_epoch
    if option.horizon is not None:
        whole = _steps(option.horizon, progress) - warm_up
    if option.factor is not None:
        done = done if option.horizon is None else tf.minimum(done, whole)
        updates = tf.cast(done // _every(option, progress), tf.float32)
        return tf.maximum(option.start * tf.pow(option.factor, updates), option.floor)
    assert option.end is not None
    updated = _updated(option, done, progress)
    if option.horizon is not None or option.every != "step":
        updated = tf.where(done < whole, updated, whole)
    share = tf.cast(updated, tf.float32) / max(1, whole)
    return tf.maximum(SHAPES[option.schedule](option.start, option.end, share), option.floor)


def _updated(option: Any, step: Any, progress: Progress) -> Any:
    """The step at which the value was last updated."""
    every = _every(option, progress)
    return step if every == 1 else step // every * every


def _every(option: Any, progress: Progress) -> int:
    """The number of steps between updates."""
    if isinstance(option.every, int):
        return option.every
    return progress.steps_per_epoch if option.every == "epoch" else 1


def _steps(epochs: float, progress: Progress) -> int:
    return min(LAST, round(epochs * progress.steps_per_epoch))
