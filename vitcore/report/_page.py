"""The report as one HTML file."""

from functools import lru_cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from vitcore.errors import SettingsError, StorageError
from vitcore.language import LANGUAGES, speaking, tr
from vitcore.report._charts import Drawer
from vitcore.report._known import look_up
from vitcore.report._sections import sections_of, subtitle_of
from vitcore.report._words import plain
from vitcore.runs import load_run
from vitcore.workspace import Workspace, write_text

__all__ = ["write_report"]

_FOLDER = Path(__file__).parent


def write_report(
    run_id: str, file: Path, *, language: str = "en", workspace: Workspace | None = None
) -> Path:
    """Write the report of a run as one HTML file that needs nothing but itself.

    Args:
        run_id: A run with results.
        file: Where to; replaced in one step if it is there.
        language: A code of `vitcore.language.LANGUAGES`.
        workspace: Where the run is; the default workspace if not given.

    Returns:
        The file.

    Raises:
        NotFoundError: There is no such run.
        SettingsError: There is no such language.
        StorageError: The run has no results, they are damaged, or the file cannot be written.
    """
    if language not in LANGUAGES:
        raise SettingsError(
            "The language is '{language}'; choose {languages:or}.",
            language=language[:80],
            languages=list(LANGUAGES),
        )
    workspace = workspace or Workspace.default()
    known = look_up(load_run(run_id, workspace=workspace), workspace)
    with speaking(language):
        page = _template().render(
            language=language,
            title=tr("Report on {name}").format(name=plain(known.run.name, 100)),
            subtitle=subtitle_of(known),
            contents=tr("Contents"),
            style=Markup((_FOLDER / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - our own
            sections=sections_of(known, Drawer()),
        )
    try:
        write_text(file, page)
    except OSError as error:
        raise StorageError(
            f"{file} cannot be written ({error.strerror or error}); name a file in a folder that you may "
            "write to."
        ) from error
    return file


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    """Escapes all that is not markup by itself: names of classes and files may be anything."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja")
