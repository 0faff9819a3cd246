"""The curves of toys above their optima."""

import math
from collections.abc import Sequence

from vaecli.reports.style import PLAIN, WIDTH, Figure, FixedLocator, NullLocator, look, panels, thinned
from vaecli.reports.toys.table import Group

TICKS = FixedLocator([digit * 10.0**power for power in range(-8, 4) for digit in (1, 2, 5)])


def draw(groups: Sequence[Group]) -> Figure:
    """A panel for each toy: how far the loss is above the optimum, by steps."""
    names = list(dict.fromkeys(row.estimator for found in groups for row in found.rows))
    figure = Figure(figsize=(WIDTH, 3.4 + 0.16 * math.ceil(len(names) / 5)))
    for axis, found in zip(panels(figure, len(groups), sharey=True), groups, strict=True):
        toy = found.toy
        for row in found.rows:
            for losses in row.losses.values():
                points = [
                    ((epoch + 1) * toy.steps_per_epoch, loss - toy.optimum)
                    for epoch, loss in enumerate(losses)
                    if loss > toy.optimum
                ]
                if points:
                    axis.plot(*zip(*thinned(points), strict=True), **{**look(names.index(row.estimator)), "marker": ""})
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(TICKS)
        axis.yaxis.set_major_formatter(PLAIN)
        axis.yaxis.set_minor_locator(NullLocator())
        axis.set_title(f"exponent {toy.exponent:g}, optimum {toy.optimum:.4g}")
        axis.set_xlabel("step")
    figure.axes[0].set_ylabel("loss above the optimum")
    for place, name in enumerate(names):
        figure.axes[0].plot([], [], label=name, **{**look(place), "marker": ""})
    figure.legend(loc="outside lower center", ncols=min(5, len(names)), fontsize=7)
    return figure
