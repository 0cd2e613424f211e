"""Names of classes where they come in: each by the one rule, `vitcore.text.class_name`."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from vitcore.errors import DatasetError
from vitcore.layouts._folders import Labelled
from vitcore.messages import Message, counted, message, quoted, shortened
from vitcore.sources import Entry
from vitcore.text import MAX_CLASS_NAME, class_name, likeness, shown

__all__ = ["about_likeness", "by_the_rule", "typed_name", "without_photos"]

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_NAMED = 5  # in one sentence, or sentences of one kind

_UNSEEN = message("the name of its class has no visible character")
_TOO_LONG = message("the name of its class has over {most} characters", most=MAX_CLASS_NAME)


def by_the_rule(items: Iterable[Labelled]) -> tuple[tuple[Labelled, ...], tuple[Message, ...]]:
    """Give the classes of a reading the names that they will have.

    Returns:
        The items, without a class where there is no usable name for it; and sentences on classes that became
        one, and on names that were changed visibly.
    """
    items = tuple(items)
    names = {label: class_name(label) for label in dict.fromkeys(item.label for item in items)}
    return tuple(_renamed(item, names[item.label]) for item in items), tuple(_about_changes(names))


def _renamed(item: Labelled, name: str) -> Labelled:
    if name == item.label and len(name) <= MAX_CLASS_NAME:
        return item
    if 0 < len(name) <= MAX_CLASS_NAME:
        return replace(item, label=name)
    return replace(item, label="", split="", reason=_TOO_LONG if name else _UNSEEN)


def _about_changes(names: Mapping[str, str]) -> Iterator[Message]:
    spellings: dict[str, list[str]] = defaultdict(list)
    for label, name in names.items():
        if 0 < len(name) <= MAX_CLASS_NAME:
            spellings[name].append(label)
    several = sorted(name for name, labels in spellings.items() if len(labels) > 1)
    for name in several[:_NAMED]:
        yield message(
            "'{name}' was spelt in {count} ways that look alike (spaces, invisible characters, or accents "
            "that are coded differently); they are one class.",
            name=name,
            count=len(spellings[name]),
        )
    if len(several) > _NAMED:
        yield counted(
            "And {count} more class was spelt in several ways that look alike.",
            "And {count} more classes were spelt in several ways that look alike.",
            len(several) - _NAMED,
        )
    marked = sorted(name for name in spellings if _REPLACEMENT in name)  # of folders, by `clean_name`
    if marked:
        yield message(
            "Control characters in the names of classes were replaced: {names}.",
            names=shortened(quoted(marked), _NAMED),
        )


def without_photos(items: Iterable[Labelled], skipped: Iterable[tuple[Entry, Message]]) -> Iterator[Message]:
    """Yield a sentence for each folder that lies beside the class folders and has files, but no photo."""
    filled = {item.entry.parts[:-1] for item in items if item.label}
    above = {folder[:-1] for folder in filled if folder}
    empty: dict[tuple[str, ...], tuple[Entry, Message]] = {}
    for entry, reason in skipped:
        folder = entry.parts[:-1]
        if folder and folder[:-1] in above and folder not in filled | above:
            empty.setdefault(folder, (entry, reason))
    for folder, (entry, reason) in sorted(empty.items())[:_NAMED]:
        yield message(
            "The folder '{name}' has no photo that can be used (for example '{file}': {reason}).",
            name=folder[-1],
            file=entry.parts[-1],
            reason=reason,
        )


def _first_unfit(name: str) -> str | None:
    """Return the first character that no name may have; those for space may be in it, as they become one."""
    pairs = zip(name, shown(name), strict=True)
    return next((sign for sign, fit in pairs if sign != fit and not sign.isspace()), None)


def typed_name(name: str) -> str:
    """Return a name that a person gave to a class or a dataset, by the rule.

    Raises:
        DatasetError: It is empty or too long, or has control characters.
    """
    hidden = _first_unfit(name)
    if hidden is not None:
        raise DatasetError(
            "The name has a control character (U+{code:04X}); type it without that.", code=ord(hidden)
        )
    usable = class_name(name)
    if not usable:
        raise DatasetError("The name is empty; give 1 to {most} characters.", most=MAX_CLASS_NAME)
    if len(usable) > MAX_CLASS_NAME:
        raise DatasetError(
            "The name has {count} characters; give {most} at most.", count=len(usable), most=MAX_CLASS_NAME
        )
    return usable


def about_likeness(classes: Sequence[str]) -> Iterator[Message]:
    """Yield what there is to say of classes whose names differ in capitals, accents or width alone."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(classes):
        alike[likeness(name)].append(name)
    groups = [names for names in alike.values() if len(names) > 1]
    for names in groups[:_NAMED]:
        yield message(
            "{names} differ only in capitals, accents or width; if they are meant to be one class, rename "
            "one of them to the other.",
            names=shortened(quoted(names), _NAMED),
        )
    if len(groups) > _NAMED:
        yield counted(
            "And {count} more group of classes differs only in capitals, accents or width.",
            "And {count} more groups of classes differ only in capitals, accents or width.",
            len(groups) - _NAMED,
        )
