"""Renders a template of a page: everything that it needs is inside it, and nothing can leave it."""

import base64
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from markupsafe import Markup

if TYPE_CHECKING:
    from vaecli.reports.style import Undrawn


HERE = Path(__file__).parent


class Drawing(Protocol):
    """What a page can show: a chart, rows of images, or a table of shares."""

    @property
    def picture(self) -> Any:
        """What the template reads."""


class Table(NamedTuple):
    """A table that can be sorted, and filtered where it is long."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    text: Collection[int] = ()  # columns of sentences, which are folded
    missed: Collection[int] = ()  # rows that stand out


def render(template: str, **content: Any) -> str:
    """The page of a template below vaecli/reports, which extends page/base.html.j2.

    The script may run because the page names its digest; no other script may, and neither page nor script may load,
    send or embed anything.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    script, css = (_text(name) for name in ("page.js", "page.css"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    environment = Environment(
        loader=PackageLoader("vaecli.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template)
    return page.render(policy=policy, script=Markup(script), css=Markup(css), **content)


def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def each_drawn(
    pictures: Mapping[str, Callable[[], Drawing]], page: Path, failed: "Callable[[Undrawn], None]"
) -> list[Any]:
    """Draws each picture of a page; one that cannot be drawn is passed to `failed`, and the others are drawn."""
    from vaecli.reports.style import Undrawn

    found = []
    for name, draw in pictures.items():
        try:
            found.append(draw().picture)
        except Exception as error:  # whatever is wrong, a picture must not cost the results beside it
            failed(Undrawn(page.with_name(f"{page.name}, {name}"), error))
    return found
