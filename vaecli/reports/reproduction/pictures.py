"""The pictures of a reproduction's page: our curves over published points."""

from collections.abc import Sequence

from vaecli.papers.measures import MEASURES
from vaecli.reports.page.chart import MOST_POINTS, Chart, Panel, Point, Series
from vaecli.reports.reproduction.figures import Panel as Curves
from vaecli.reports.style import thinned

MARGIN = 1.15  # times where our curves end: published points beyond that have nothing beside them


def picture(shown: Sequence[Curves]) -> Chart:
    """A panel for each metric, with published points as hollow marks and a line for each seed of ours."""
    return Chart("Ours over the published", "Lines: ours; hollow marks: published.", [_panel(found) for found in shown])


def _panel(found: Curves) -> Panel:
    reached = max(at for curve in found.curves for points in curve.ours for at, _ in points)
    series = []
    for curve in found.curves:
        for number, points in enumerate(curve.ours):
            of = f"{curve.setting}, ours" + (f" {number + 1}" if len(curve.ours) > 1 else "")
            tips = [
                (at, value, f"{of}, {found.unit} {at:,.6g}: {value:.5g}") for at, value in thinned(points, MOST_POINTS)
            ]
            marked = 0.5 if len(points) < 3 else 0.0
            series.append(Series(curve.setting, curve.place, [Point(*tip, size=marked) for tip in tips]))
        published, bars = [], []
        for at, value, spread in curve.published:
            if at > MARGIN * reached:
                continue
            of = f"{curve.setting}, published, {found.unit} {at:,}: {value:.5g}"
            published.append(Point(at, value, of + (f" ± {spread:.2g}" if spread else ""), hollow=True, size=1.2))
            bars += [(at, value - spread, at, value + spread)] if spread else []
        if published:
            series.append(Series(curve.setting, curve.place, published, line=False, bars=bars))
    more = f", {len(found.curves)} of {found.settings} settings" if len(found.curves) < found.settings else ""
    return Panel(f"{found.metric}{more}", found.unit, MEASURES[found.metric].unit, series, counted=True)
