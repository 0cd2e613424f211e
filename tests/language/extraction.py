"""The texts of the code, as babel extracts them, and the catalogues they belong to.

``python -m tests.language.extraction`` brings every catalogue up to date: new texts are added, for a person
to translate, and those that are gone are dropped. It is what ``pybabel extract`` and ``pybabel update`` do.
"""

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir, extract_from_file
from babel.messages.pofile import read_po, write_po

from vitcore import errors
from vitcore.language import LANGUAGES

ROOT = Path(__file__).parents[2]
LOCALES = {"vitcore": ROOT / "vitcore" / "language" / "locale", "app": ROOT / "app" / "locale"}
OTHERS = [code for code in LANGUAGES if code != "en"]

KEYWORDS = {
    **dict.fromkeys(["tr", "mark", "message", "Message", *errors.__all__], None),
    **dict.fromkeys(["ntr", "counted"], (1, 2)),
}
"""The functions whose first arguments are texts, as for ``pybabel extract -k``."""

PLURALS = "nplurals=2; plural=(n != 1);"

# The command line speaks English, and so does the script that goes with an exported model.
_ENGLISH = ("cli/", "inference/standalone/", "__main__.py")


def texts_of(name: str) -> Catalog:
    """Extract the texts of a catalogue: those of the app have what the library has in its own."""
    catalog = Catalog(charset="utf-8")
    if name == "vitcore":
        _extract(catalog, ROOT / "vitcore")
        return catalog
    for folder in ("app", "pages"):
        _extract(catalog, ROOT / folder)
    for _, text, _, _ in extract_from_file("python", ROOT / "frame.py", keywords=KEYWORDS):
        catalog.add(text, locations=[("frame.py", 0)])
    shared = texts_of("vitcore")
    for message in list(catalog):
        if message.id and message.id in shared:
            catalog.delete(message.id)
    return catalog


def _extract(catalog: Catalog, folder: Path) -> None:
    found = extract_from_dir(folder, [("**.py", "python")], keywords=KEYWORDS, strip_comment_tags=True)
    for file, _, text, _, _ in sorted(found, key=lambda item: item[:2]):
        if text and not file.startswith(_ENGLISH):
            catalog.add(text, locations=[((folder.relative_to(ROOT) / file).as_posix(), 0)])


def po_file(name: str, language: str) -> Path:
    """Return the file of a catalogue."""
    return LOCALES[name] / language / "LC_MESSAGES" / f"{name}.po"


def load_catalogue(name: str, language: str) -> Catalog:
    """Load a catalogue."""
    with po_file(name, language).open("rb") as file:
        return read_po(file, locale=language)


def save_catalogue(name: str, language: str, catalog: Catalog) -> None:
    """Save a catalogue, in the form that all of them have: without dates, and without numbers of lines."""
    header = ("Content-Type: text/plain; charset=UTF-8", f"Language: {language}", f"Plural-Forms: {PLURALS}")
    with po_file(name, language).open("wb") as file:
        file.write("".join(['msgid ""\nmsgstr ""\n', *(f'"{line}\\n"\n' for line in header), "\n"]).encode())
        write_po(file, catalog, width=0, omit_header=True, include_lineno=False, ignore_obsolete=True)


def _update(name: str, language: str) -> None:
    catalog = load_catalogue(name, language)
    catalog.update(texts_of(name), no_fuzzy_matching=True)
    for message in catalog:
        message.flags.discard("python-brace-format")  # every text with a field has it
    save_catalogue(name, language, catalog)


if __name__ == "__main__":
    for name in LOCALES:
        for language in OTHERS:
            _update(name, language)
