"""Sections as one HTML page that needs nothing but itself."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from vitcore.language import current, tr
from vitcore.report._blocks import Block, Section
from vitcore.report._charts import Drawer

__all__ = ["html_of"]

_FOLDER = Path(__file__).parent


def html_of(title: str, subtitle: str, sections: Iterable[Section]) -> str:
    """Write sections below a title; all texts are shown as they are, whatever they contain."""
    return _template().render(
        language=current(),
        title=title,
        subtitle=subtitle,
        contents=tr("Contents"),
        style=Markup((_FOLDER / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - our own
        sections=list(sections),
        svg=Drawer().draw,
    )


def _kind(block: Block) -> str:
    return type(block).__name__.lower()


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    """Load the template, which escapes all that is not markup by itself."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kind"] = _kind
    return environment.get_template("report.html.jinja")
