"""Edits of a dataset: each one makes a new version and leaves the earlier ones as they are.

An edit is on the disk when its function returns; a crash before that leaves the version there was.
Images are never erased, only removed, so that every edit can be undone and every earlier version
still has its images.
"""

import itertools
from collections.abc import Collection, Iterable
from dataclasses import replace

import pandas as pd

from vitcore.dataset._dataset import Dataset, Skipped, complete, load_dataset, numbered, save_description
from vitcore.dataset._divisions import kept_divisions
from vitcore.dataset._findings import count_images
from vitcore.dataset._groups import NO_GROUPS, GroupRule, groups_by
from vitcore.dataset._provenance import MACHINE, PERSON, labelled_by_people
from vitcore.dataset._split import split_index
from vitcore.dataset._versions import as_current, commit, workspace_of, write_version
from vitcore.errors import DatasetError, SettingsError
from vitcore.layouts import typed_name
from vitcore.messages import Message, counted, message, quoted, shortened
from vitcore.text import MAX_CLASS_NAME

__all__ = [
    "append_images",
    "delete_class",
    "exclude",
    "group_images",
    "relabel",
    "rename_class",
    "rename_dataset",
    "restore",
    "set_aside",
    "undo",
]


def rename_class(dataset: Dataset, old: str, new: str) -> Dataset:
    """Give a class another name; if there is a class of that name, the two become one.

    Images of the class that were removed are renamed with it, so that they come back to it.

    Args:
        dataset: The current version.
        old: A class of it.
        new: Up to 200 characters, by the rule of `vitcore.text.class_name`.

    Returns:
        The new version.

    Raises:
        DatasetError: The names cannot be used, or the dataset was changed elsewhere.
        StorageError: The disk is full or not writable.
    """
    count = _count_of_class(dataset, old)
    new = class_name_for(dataset, new)
    if new == old:
        raise DatasetError("The class is called '{old}' already; give another name.", old=old)
    label = dataset.rows["label"]
    rows = dataset.rows.assign(label=label.mask(label == old, new))
    if new in dataset.classes:
        return commit(
            replace(dataset, rows=rows),
            message("Merged '{old}' into '{new}' ({images}).", old=old, new=new, images=count_images(count)),
        )
    return commit(replace(dataset, rows=rows), message("Renamed '{old}' to '{new}'.", old=old, new=new))


def delete_class(dataset: Dataset, label: str) -> Dataset:
    """Take all images of a class out; `restore` brings them back.

    Args:
        dataset: The current version.
        label: A class of it.

    Returns:
        The new version.

    Raises:
        DatasetError: There is no such class or no other, or the dataset was changed elsewhere.
        StorageError: The disk is full or not writable.
    """
    count = _count_of_class(dataset, label)
    taken = dataset.rows["excluded"] | (dataset.rows["label"] == label)
    edited = replace(dataset, rows=dataset.rows.assign(excluded=taken))
    return commit(
        edited, message("Removed class '{name}' ({images}).", name=label, images=count_images(count))
    )


def relabel(dataset: Dataset, image_ids: Iterable[int], label: str) -> Dataset:
    """Move images to a class, by a person; those that are in it already stay as they are.

    A label by a machine becomes a person's.

    Args:
        dataset: The current version.
        image_ids: Images that take part.
        label: A class of the dataset, or the name of a new one, as for `rename_class`.

    Returns:
        The new version.

    Raises:
        DatasetError: Nothing would change, an image or the name cannot be used, or the dataset was
            changed elsewhere.
        StorageError: The disk is full or not writable.
    """
    label = class_name_for(dataset, label)
    chosen = chosen_rows(dataset, image_ids)
    out = int((chosen & dataset.rows["excluded"]).sum())
    if out:
        raise DatasetError(
            "The choice has {images} that had been removed; restore first, then move.",
            images=count_images(out),
        )
    by_machine = dataset.rows["labelled_by"] == MACHINE
    moved = chosen & ((dataset.rows["label"] != label) | by_machine)
    if not moved.any():
        raise DatasetError(
            "The chosen images are in '{label}' already; choose others or another class.", label=label
        )
    rows = dataset.rows.assign(
        label=dataset.rows["label"].mask(moved, label),
        labelled_by=dataset.rows["labelled_by"].mask(moved, PERSON),
        label_detail=dataset.rows["label_detail"].mask(moved, ""),
        label_confidence=dataset.rows["label_confidence"].mask(moved, 1.0),
    )
    return commit(
        replace(dataset, rows=rows),
        message("Moved {images} to '{name}'.", images=count_images(int(moved.sum())), name=label),
    )


def exclude(dataset: Dataset, image_ids: Iterable[int]) -> Dataset:
    """Take images out: they are kept, but no longer learned from or judged on.

    Args:
        dataset: The current version.
        image_ids: Images of it; those that are out already stay out.

    Returns:
        The new version.

    Raises:
        DatasetError: Nothing would change, or no image would be left; an image is unknown, or the
            dataset was changed elsewhere.
        StorageError: The disk is full or not writable.
    """
    out = dataset.rows["excluded"]
    taken = chosen_rows(dataset, image_ids) & ~out
    if not taken.any():
        raise DatasetError("The chosen images were removed already; choose others.")
    edited = replace(dataset, rows=dataset.rows.assign(excluded=out | taken))
    return commit(edited, message("Removed {images}.", images=count_images(int(taken.sum()))))


def restore(dataset: Dataset, image_ids: Iterable[int]) -> Dataset:
    """Bring images back that were removed.

    Args:
        dataset: The current version.
        image_ids: Images of it; those that take part already stay as they are.

    Returns:
        The new version.

    Raises:
        DatasetError: Nothing would change, an image is unknown, or the dataset was changed elsewhere.
        StorageError: The disk is full or not writable.
    """
    out = dataset.rows["excluded"]
    brought = chosen_rows(dataset, image_ids) & out
    if not brought.any():
        raise DatasetError("None of the chosen images was removed; choose from those that were.")
    edited = replace(dataset, rows=dataset.rows.assign(excluded=out & ~brought))
    return commit(edited, message("Brought back {images}.", images=count_images(int(brought.sum()))))


def append_images(
    dataset: Dataset, rows: pd.DataFrame, skipped: Iterable[Skipped], ignored: int, text: Message
) -> Dataset:
    """Add images whose files are in place below the dataset's folder.

    Args:
        dataset: The current version.
        rows: One row per image, all `INDEX_COLUMNS` but ``image_id`` and ``excluded``.
        skipped: Files that came with them and were not taken.
        ignored: Number of files that were not worth a reason.
        text: What was done, one sentence, for the list of changes.

    Returns:
        The new version.

    Raises:
        DatasetError: There are no rows, or the dataset was changed elsewhere.
        StorageError: The disk is full or not writable.
    """
    with as_current(dataset) as name:
        edited = extended(replace(dataset, name=name), rows, skipped, ignored)
        return write_version(edited, text, base=dataset.version)


def extended(dataset: Dataset, rows: pd.DataFrame, skipped: Iterable[Skipped], ignored: int) -> Dataset:
    """Return a dataset with the images that `append_images` adds, unwritten."""
    if rows.empty:
        raise DatasetError("There is no image to add; choose others.")
    first_id = dataset.next_image_id
    all_rows = complete(pd.concat([dataset.rows, numbered(rows, first_id)], ignore_index=True))
    return replace(
        dataset,
        rows=grouped(all_rows, GroupRule.parse(dataset.group_rule)),
        next_image_id=first_id + len(rows),
        skipped=tuple(dict.fromkeys([*dataset.skipped, *skipped])),  # the same may be added again
        ignored=dataset.ignored + ignored,
    )


def group_images(dataset: Dataset, rule: str) -> Dataset:
    """Keep images together that belong together: no split and no fold divides a group.

    Args:
        dataset: The current version.
        rule: As `GroupRule.parse` takes it; ``none`` for images that each stand for themselves.

    Returns:
        The new version; images that are added later are grouped by the same rule.

    Raises:
        SettingsError: It is no rule, or finds no group in these images.
        DatasetError: They are grouped so already, or the dataset was changed elsewhere.
        StorageError: The disk is full or not writable.
    """
    chosen = GroupRule.parse(rule)
    if str(chosen) == dataset.group_rule:
        raise DatasetError(
            "The images of '{name}' are grouped by '{rule}' already; choose another rule.",
            name=dataset.name,
            rule=str(chosen),
        )
    edited = replace(dataset, rows=grouped(dataset.rows, chosen))
    return commit(edited, about_groups(edited, chosen), group_rule=str(chosen))


def about_groups(edited: Dataset, rule: GroupRule) -> Message:
    """Return the sentence on the change that grouped the images of a dataset by a rule."""
    if rule.kind == NO_GROUPS:
        return message("Every photo stands for itself.")
    groups = counted("{count} group", "{count} groups", edited.group_count)
    return message("{photos} stay together ({groups}).", photos=rule.photos, groups=groups)


def grouped(rows: pd.DataFrame, rule: GroupRule) -> pd.DataFrame:
    """Return rows with the groups that a rule makes.

    Raises:
        SettingsError: It finds no group in them.
    """
    return rows.assign(group=groups_by(rows, rule))


def set_aside(dataset: Dataset, fraction: float, *, seed: int = 0) -> Dataset:
    """Set a share of the images aside as the test part, which no training and no choice sees.

    Every class gives its share, and groups stay together, as in `split_index`.

    Args:
        dataset: The current version, without a test part.
        fraction: Above 0 and below 1.
        seed: Decides which images; where a training divided them by it, the next seed that none did.

    Returns:
        The new version.

    Raises:
        SettingsError: The fraction is out of range.
        DatasetError: There is a test part, a class is too small, or the dataset was changed elsewhere.
        StorageError: The disk is full or not writable.
    """
    edited = replace(dataset, rows=with_test_part(dataset.rows, fraction, seed=unused_seed(dataset, seed)))
    return commit(edited, about_test_part(edited))


def unused_seed(dataset: Dataset, seed: int = 0) -> int:
    """Return a seed, this or a higher one, that no division of a dataset was drawn with.

    The seed of a division would draw just the images that judge by it, and leave none of them.
    """
    drawn_with = {divided for divided, _ in kept_divisions(dataset)}
    return next(free for free in itertools.count(seed) if free not in drawn_with)


def about_test_part(edited: Dataset) -> Message:
    """Return the sentence on the change that set images of a dataset aside."""
    return counted(
        "Set {count} photo aside for the final exam.",
        "Set {count} photos aside for the final exam.",
        edited.split_counts["test"],
    )


def check_test_part(fraction: float, splits: Collection[str]) -> None:
    """Refuse to set a share aside for testing if it is none, or there is a division already.

    Args:
        fraction: As for `set_aside`.
        splits: The parts of the division that the images have, empty for none.

    Raises:
        SettingsError: The fraction is out of range.
        DatasetError: There are parts.
    """
    if not 0 < fraction < 1:
        raise SettingsError(
            "The share to set aside for testing is {fraction}; give a number above 0 and below 1, such as "
            "0.2.",
            fraction=fraction,
        )
    if set(splits) == {"test"}:
        raise DatasetError(
            "The dataset already has a test part, which is kept; leave out the share to set aside."
        )
    if splits:
        raise DatasetError(
            "The images come with a division of their own, which is kept; import them without it to set some "
            "aside."
        )


def with_test_part(rows: pd.DataFrame, fraction: float, *, seed: int = 0) -> pd.DataFrame:
    """Return rows of an index, a share of which is the test part; see `set_aside`."""
    index = rows[~rows["excluded"] & labelled_by_people(rows)]
    check_test_part(fraction, set(index["split"]) - {""})
    parts = split_index(index, validation_fraction=fraction, seed=seed)
    sealed = parts.index[parts == "validation"]
    return rows.assign(split=rows["split"].mask(rows.index.isin(sealed), "test"))


def undo(dataset: Dataset) -> Dataset:
    """Take the last edit back that was not taken back yet; repeated, it leads to the import.

    Args:
        dataset: The current version.

    Returns:
        A new version, with the images as they were before that edit.

    Raises:
        DatasetError: There is nothing to undo, or the dataset was changed elsewhere.
        StorageError: The disk is full or not writable, or the earlier version is damaged.
    """
    if not dataset.can_undo:
        raise DatasetError("There is nothing to undo; the images are as they were imported.")
    base = load_dataset(dataset.id, version=dataset.changes[-1].base, workspace=workspace_of(dataset))
    return commit(
        replace(dataset, rows=base.rows),
        message("Undid: {change}", change=dataset.undoable),
        base=base.changes[-1].base,
        group_rule=base.group_rule,
    )


def rename_dataset(dataset: Dataset, name: str) -> Dataset:
    """Give the whole dataset another name; its images, and so its version, stay the same.

    Args:
        dataset: The current version.
        name: Up to 200 characters, as for a class.

    Returns:
        The same version under the new name.

    Raises:
        DatasetError: The name cannot be used, or the dataset was changed elsewhere.
        StorageError: The disk is full or not writable.
    """
    name = typed_name(name)
    renamed = replace(dataset, name=name)
    with as_current(dataset) as present:
        if name == present:
            raise DatasetError("The dataset is called '{name}' already; give another name.", name=name)
        save_description(renamed)
    return renamed


def _count_of_class(dataset: Dataset, label: str) -> int:
    """Number of images of a class, at least one.

    Raises:
        DatasetError: There is no such class.
    """
    counts = dataset.class_counts
    if label not in counts:
        raise DatasetError(
            "There is no class '{name}'; there are {classes}.",
            name=label[:MAX_CLASS_NAME],
            classes=shortened(quoted(counts), 5),
        )
    return counts[label]


def class_name_for(dataset: Dataset, name: str) -> str:
    """The name of a class there is, whatever the import took it from, or a usable new one."""
    return name if name in dataset.classes else typed_name(name)


def chosen_rows(dataset: Dataset, image_ids: Iterable[int]) -> pd.Series:
    """Mark the rows that have one of these ids.

    Raises:
        DatasetError: There are no ids, or one that the dataset does not have.
    """
    wanted = set(image_ids)
    if not wanted:
        raise DatasetError("No image is chosen; choose at least one.")
    chosen = dataset.rows["image_id"].isin(wanted)
    if chosen.sum() < len(wanted):
        unknown = min(wanted - set(dataset.rows["image_id"]))
        raise DatasetError(
            "The dataset has no image number {unknown}; choose from those that it has.", unknown=unknown
        )
    return chosen
