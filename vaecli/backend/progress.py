"""The place of a step in its run: what values that change during training are functions of."""

from typing import Any, NamedTuple


class Progress(NamedTuple):
    """The place after some of a run's steps."""

    step: Any  # finished steps: an integer, or a tensor of integers
    steps_per_epoch: int
    steps: int  # of the run

    @classmethod
    def end(cls, steps: int, steps_per_epoch: int) -> "Progress":
        """The place after the last step."""
        return cls(steps, steps_per_epoch, steps)


END = Progress.end(1, 1)  # of a run whose length is not known
