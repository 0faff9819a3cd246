import pytest

from helpers import HOSTILE, audit_row, copied, forge
from vaecli.papers.schema import cells_of
from vaecli.papers.verdict import Found, verdict
from vaecli.reports.audit import page as audit
from vaecli.reports.comparison import page as comparison
from vaecli.reports.comparison.groups import compared
from vaecli.reports.reproduction import page as reproduction
from vaecli.reports.run import page as run
from vaecli.runs import Run
from vaecli.runs.audits import audit_of


def never(picture):
    raise picture.error


@pytest.fixture(scope="module")
def pages(finished, tmp_path_factory):
    """One page of each kind, by its name; what a user wrote in it looks like markup."""
    folder = tmp_path_factory.mktemp("pages")
    names = ("gumbel", "categorical", "exact", "straight_through", "rloo", "reinmax", "gst", "vqvae", "vae")
    runs = [copied(finished(name, seed=0), folder) for name in names]
    runs += [copied(finished(name, seed=1), folder) for name in ("gumbel", "categorical")]
    runs = [forge(one, lambda info: info.update(argv=["/bin/vaecli", "compare", HOSTILE])) for one in runs]
    comparison.write_report(compared(runs), {HOSTILE: HOSTILE}, folder / "comparison")
    found = {"comparison": folder / "comparison" / "report.html"}
    found["run"] = run.write_page(Run(runs[names.index("vqvae")].path), failed=never)

    asked = {"subject": {"objective": HOSTILE}}
    measured = audit_of(asked, folder)
    rows = [audit_row("exact", 0.0, 0.0, epoch=epoch) for epoch in (0, 10)]
    for epoch in (0, 10):
        rows += [audit_row("rloo", 0.01, 1.2, told=False, epoch=epoch)]
        rows += [audit_row("gumbel", 0.8 / t, 0.5 * t, temperature=t, epoch=epoch) for t in (0.1, 0.5, 1.0, 2.0)]
    measured.write({"title": HOSTILE, "asked": asked, "left_out": {HOSTILE: HOSTILE}, "finished": True}, rows)
    found["audit"] = audit.write_page(measured, failed=never)

    cells = [cell for cell in cells_of("keras_io_vqvae") if cell.metric == "train mse"]
    ours = [Found(cell, verdict(cell, [cell.published * 1.01]), {0: cell.published * 1.01}, {}) for cell in cells]
    reproduction.write_report(ours, folder, folder / "reproduction", HOSTILE)
    return found | {"reproduction": folder / "reproduction" / "report.html"}


@pytest.fixture(params=["comparison", "run", "audit", "reproduction"])
def page(request, pages):
    return pages[request.param]
