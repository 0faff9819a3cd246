"""The page of an audit: the verdict, its figures, and the tables of every checkpoint."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaecli.reports.audit.table import PARTS, best, by_epoch, columns, last_epoch, legend, measured_parts, verdict
from vaecli.reports.columns import flat, plain
from vaecli.reports.page.render import Table, each_drawn, render
from vaecli.runs.audits import Audit
from vaecli.runs.files import write

if TYPE_CHECKING:
    from vaecli.reports.style import Undrawn

PAGE = "report.html"


def write_page(audit: Audit, *, failed: "Callable[[Undrawn], None]") -> Path:
    """Writes report.html into the folder of an audit.

    Args:
        failed: called with each picture that could not be drawn; the page has the others.

    Raises:
        RunError: the audit cannot be read, or its folder cannot be written.
    """
    page, about = audit.path / PAGE, audit.read()
    tables = []
    for epoch, rows in by_epoch(audit.rows).items():
        after = "" if epoch is None else f" after {epoch} epoch{'s' * (epoch != 1)}"
        tables += [_table(f"{PARTS[part]}{after}", rows, part) for part in measured_parts(rows)]
    write(
        page,
        render(
            "audit/report.html.j2",
            **of_audit(audit, page, failed),
            tables=tables,
            left_out=about.get("left_out", {}),
            asked={key: plain(value) for key, value in flat(about["asked"]).items()},
        ),
        within=audit.path,
    )
    return page


def of_audit(audit: Audit, page: Path, failed: "Callable[[Undrawn], None]") -> dict[str, Any]:
    """What pages say of an audit: all figures, and every estimator at its best temperature on the last checkpoint."""
    from vaecli.reports.audit.pictures import pictures

    rows = audit.rows
    last = by_epoch(rows)[last_epoch(rows)]
    return {
        "title": audit.read()["title"],
        "verdict": verdict(last),
        "figures": each_drawn({f"{audit.name} {name}": draw for name, draw in pictures(rows).items()}, page, failed),
        "best": [_table(PARTS[part], best(last), part) for part in measured_parts(last)],
        "legend": " ".join(legend(rows)),
    }


def _table(title: str, rows: Any, part: str) -> Table:
    header, *cells = zip(*columns(rows, part), strict=True)
    return Table(title, header, cells)
