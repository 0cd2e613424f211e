"""Names of classes whose folders are called by codes of WordNet, as those of ImageNet are."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from vitcore.errors import ArchiveError
from vitcore.layouts._reading import Candidate
from vitcore.messages import message
from vitcore.sources import Entry, Parts

__all__ = ["Synsets", "read_synsets"]

_MAX_BYTES = 8 * 2**20  # of a file with the names; that of all of WordNet has 3 MB
_CODE = re.compile(r"n\d{8}")
_FILE = re.compile(r"(words|synset|wnid|class|label|mapping|names).*\.(txt|json)$")
_LINE = re.compile(r"""\b(n\d{8})\b["',:\s]+([^"\n\t]*[^"\n\t\s])""")


@dataclass(frozen=True)
class Synsets:
    """What codes of WordNet stand for.

    Attributes:
        file: The file that says it; empty if there is none.
        names: The name of each code that is a folder.
    """

    file: str
    names: Mapping[str, str]

    def renamed(self, candidate: Candidate) -> Candidate:
        """Give classes that are called by codes their names, and say so."""
        codes = [label for label in candidate.classes if label in self.names]
        if not codes:
            return candidate
        note = message(
            "The classes have their names from {table}; '{code}' is '{name}'.",
            table=self.file,
            code=codes[0],
            name=self.names[codes[0]],
        )
        items = (replace(item, label=self.names.get(item.label, item.label)) for item in candidate.items)
        return replace(candidate, items=tuple(items), notes=(*candidate.notes, note))


def read_synsets(parts: Parts, others: Sequence[Entry], images: Sequence[Entry]) -> Synsets:
    """Read what the folders of images stand for, if they are codes of WordNet and a file says it.

    Args:
        parts: The source.
        others: Its files that are no images.
        images: Its images.
    """
    codes = {part for entry in images for part in entry.parts[:-1] if _CODE.fullmatch(part)}
    files = [entry for entry in others if _FILE.search(PurePosixPath(entry.name).name.lower())]
    best = Synsets("", {})
    if not codes or not files:
        return best
    for entry, file in parts.read({entry.number for entry in files if not entry.problem}):
        with suppress(ArchiveError):
            text = file.read(_MAX_BYTES).decode("utf-8-sig", "replace")
            found = {code: names for code, names in _LINE.findall(text) if code in codes}
            if len(found) > len(best.names):
                best = Synsets(entry.name, _short(found))
    return best


def _short(found: Mapping[str, str]) -> dict[str, str]:
    """The first of the names of each code, with the code where it is that of several."""
    firsts = {code: names.partition(",")[0].strip().replace("_", " ") for code, names in found.items()}
    counts = Counter(name.casefold() for name in firsts.values())
    return {code: name if counts[name.casefold()] == 1 else f"{name} {code}" for code, name in firsts.items()}
