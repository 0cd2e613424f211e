"""Names of classes where they come in: each by the one rule, `vitcore.text.class_name`."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from vitcore.errors import DatasetError
from vitcore.layouts._folders import Labelled
from vitcore.messages import Message, counted, message, quoted, shortened
from vitcore.sources import Entry
from vitcore.text import MAX_CLASS_NAME, class_name, likeness, shown

__all__ = ["MERGE", "about_likeness", "alike_names", "by_the_rule", "typed_name", "without_photos"]

MERGE = "merge"
"""The way to take classes whose names differ only in capitals or spaces as one."""


_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_NAMED = 5  # in one sentence, or sentences of one kind

_UNSEEN = message("the name of its class has no visible character")
_UNTAUGHT = message("the training part has no photo of its class")
_TOO_LONG = message("the name of its class has over {most} characters", most=MAX_CLASS_NAME)


def alike_names(classes: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Return the names that differ only in capitals or spaces, those of each group together, sorted."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(classes):
        groups["".join(name.casefold().split())].append(name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)


def by_the_rule(
    items: Iterable[Labelled], alike: str = ""
) -> tuple[tuple[Labelled, ...], tuple[Message, ...]]:
    """Give the classes of a reading the names that they will have.

    Args:
        items: The images with their classes as they were found.
        alike: `MERGE` if names that differ only in capitals or spaces are one class. Where a class is not in
            the training part of a ready-made split, and one that differs so is, they are one in any case.

    Returns:
        The items, without a class where there is no usable name for it; and sentences on classes that became
        one, and on names that were changed visibly.
    """
    items = tuple(items)
    names = {label: class_name(label) for label in dict.fromkeys(item.label for item in items)}
    notes = list(_about_changes(names))
    renamed = tuple(_renamed(item, names[item.label]) for item in items)
    joined, sentences = _joined(renamed, everywhere=alike == MERGE)
    taught, missing = _without_untaught(joined)
    return taught, (*notes, *sentences, *missing)


def _joined(
    items: tuple[Labelled, ...], *, everywhere: bool
) -> tuple[tuple[Labelled, ...], Iterator[Message]]:
    """Take classes that differ only in capitals or spaces as one, with the most frequent name."""
    counts = Counter(item.label for item in items if item.label)
    taught = _taught(items)
    names: dict[str, str] = {}
    for group in alike_names(counts):
        known = [name for name in group if name in taught]
        main = max(known or group, key=counts.__getitem__)
        names |= {name: main for name in group if name != main and (everywhere or name not in taught)}
    sentences = (
        message(
            "'{name}' and '{main}' differ only in capitals or spaces; they are one class.",
            name=name,
            main=main,
        )
        for name, main in sorted(names.items())
    )
    if not names:
        return items, sentences
    return tuple(replace(item, label=names.get(item.label, item.label)) for item in items), sentences


def _taught(items: Iterable[Labelled]) -> set[str]:
    """The classes that can be learned: those in the training part of a ready-made split, else all."""
    items = [item for item in items if item.label]
    divided = any(item.split == "train" for item in items)
    return {item.label for item in items if not divided or item.split in {"", "train"}}


def _without_untaught(items: tuple[Labelled, ...]) -> tuple[tuple[Labelled, ...], list[Message]]:
    """Leave out classes that no training image has, and say so; say which classes validation lacks."""
    taught = _taught(items)
    counts = Counter(item.label for item in items if item.label)
    untaught = sorted(counts.keys() - taught)
    notes = [
        counted(
            "The training part has no photo of class '{name}'; its {count} photo is left out.",
            "The training part has no photo of class '{name}'; its {count} photos are left out.",
            counts[name],
            name=name,
        )
        for name in untaught[:_NAMED]
    ]
    if len(untaught) > _NAMED:
        notes.append(
            counted(
                "And {count} more class is left out because the training part has no photo of it.",
                "And {count} more classes are left out because the training part has no photo of them.",
                len(untaught) - _NAMED,
            )
        )
    validated = {item.label for item in items if item.split == "validation"}
    lacking = sorted(taught - validated)
    if validated and lacking:
        notes.append(
            message(
                "The validation part has no photos of {names}; its figures say nothing about them.",
                names=shortened(quoted(lacking), _NAMED),
            )
        )
    if not untaught:
        return items, notes
    left_out = set(untaught)
    return tuple(
        replace(item, label="", split="", reason=_UNTAUGHT) if item.label in left_out else item
        for item in items
    ), notes


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


def without_photos(
    items: Iterable[Labelled],
    skipped: Iterable[tuple[Entry, Message]],
    empty_folders: Iterable[tuple[str, ...]] = (),
) -> Iterator[Message]:
    """Yield a sentence for each folder that lies beside the class folders and has no photo."""
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
    beside = sorted("/".join(folder) for folder in set(empty_folders) if folder[:-1] in above)
    if beside:
        yield message("These folders are empty: {names}.", names=shortened(quoted(beside), _NAMED))


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
    """Yield what there is to say of classes whose names differ but in capitals, spaces, accents or width."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(classes):
        alike[likeness(name)].append(name)
    groups = [names for names in alike.values() if len(names) > 1]
    for names in groups[:_NAMED]:
        yield message(
            "{names} differ only in capitals, spaces, accents or width; if they are meant to be one class, "
            "rename one of them to the other.",
            names=shortened(quoted(names), _NAMED),
        )
    if len(groups) > _NAMED:
        yield counted(
            "And {count} more group of classes differs only in capitals, spaces, accents or width.",
            "And {count} more groups of classes differ only in capitals, spaces, accents or width.",
            len(groups) - _NAMED,
        )
