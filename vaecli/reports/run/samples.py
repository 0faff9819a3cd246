"""A grid of images that a run draws."""

import math

import numpy as np
from numpy.typing import NDArray

from vaecli.reports.run.figures import LEAST_WIDTH, title
from vaecli.reports.style import Figure, heading, tile_size, tiles
from vaecli.runs import Run

MOST_DRAWN = 400  # images; a figure of more shows the first
INCHES = 0.5  # of an image, along its longer side


def grid(run: Run, images: NDArray[np.float32], how: str) -> Figure:
    """The first MOST_DRAWN images [N, H, W] or [N, H, W, C] in a square; `how` they were drawn, in words."""
    shown = np.clip(images[:MOST_DRAWN], 0, 1)
    across = math.ceil(math.sqrt(len(shown)))
    rows = [shown[start : start + across] for start in range(0, len(shown), across)]
    wide, high = tile_size(shown)
    figure = Figure(figsize=(max(LEAST_WIDTH, INCHES * across * wide + 0.2), INCHES * len(rows) * high + 0.6))
    axis = figure.subplots()
    tiles(axis, rows, cell=(wide, high))
    axis.set_yticks([])
    more = f", the first {len(shown):,} of {len(images):,}" if len(images) > len(shown) else ""
    heading(figure, f"{title(run)}\n{len(shown):,} samples · {how}{more}", 9)
    return figure
