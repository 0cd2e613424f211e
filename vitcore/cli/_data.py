"""Commands for datasets: import and audit."""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from vitcore.cli._output import answer
from vitcore.cli._settings import (
    SOURCE,
    Add,
    add_compute,
    add_reading,
    compute_of,
    find_dataset,
    groups_answer,
    open_workspace,
    reading_of,
)
from vitcore.dataset import (
    SourceLike,
    add_images,
    import_dataset,
    inspect_source,
    load_dataset,
    remarks,
)
from vitcore.progress import Task

__all__ = ["add_commands"]

_SHOWN_FILES = 3  # that were skipped for one reason
_SHOWN_GROUPS = 5  # of images, below one finding of an audit


def add_commands(add: Add) -> None:
    """Add these commands to the command line."""
    sub = add("import", _import, "Import labelled images.")
    sub.add_argument("source", metavar="SOURCE", nargs="+", help=f"{SOURCE}; several are taken together")
    sub.add_argument("--name", help="what to call the dataset")
    sub.add_argument("--into", metavar="DATASET_ID", help="add the images to this dataset instead")
    sub.add_argument(
        "--test-fraction",
        type=float,
        default=0.0,
        metavar="X",
        help="share to set aside for testing, which no choice sees",
    )
    sub.add_argument("--dry-run", action="store_true", help="only say what is there and how it can be read")
    add_reading(sub)

    sub = add(
        "audit", _audit, "Find copies, wrong labels, blurred photos and what else is wrong with a dataset."
    )
    sub.add_argument("source", metavar="SOURCE|DATASET_ID", help=f"{SOURCE}, or the id of a dataset")
    add_reading(sub)
    add_compute(sub)


def _import(options: argparse.Namespace, task: Task) -> None:
    if options.dry_run:
        _inspect(options, task)
        return
    workspace = open_workspace()
    sources: SourceLike = options.source[0] if len(options.source) == 1 else options.source
    if options.into is not None:
        before = load_dataset(options.into, workspace=workspace)
        dataset = add_images(
            before,
            sources,
            reading=reading_of(options),
            group_by=options.group_by,
            test_fraction=options.test_fraction,
            task=task,
        )
        made = [change for change in dataset.changes if change.version > before.version]
        done = "".join(f"{change.text} " for change in made)
    else:
        dataset = import_dataset(
            sources,
            name=options.name,
            reading=reading_of(options),
            group_by=options.group_by,
            test_fraction=options.test_fraction,
            workspace=workspace,
            task=task,
        )
        done = ""
    answer(
        options,
        {
            "dataset_id": dataset.id,
            "name": dataset.name,
            "version": dataset.version,
            "classes": dataset.class_counts,
            "images": len(dataset.rows) - len(dataset.excluded),
            "unlabelled": len(dataset.unlabelled),
            "splits": dataset.split_counts,
            "groups": groups_answer(dataset),
            "skipped": [{"name": item.name, "reason": str(item.reason)} for item in dataset.skipped],
            "ignored": dataset.ignored,
            "warnings": list(map(str, dataset.warnings)),
        },
        "\n".join(
            [
                done
                + f"Dataset {dataset.id} '{dataset.name}': {len(dataset.index)} images in "
                + f"{len(dataset.classes)} classes, {len(dataset.unlabelled)} without a label, "
                + f"{len(dataset.skipped)} files skipped.",
                *_grouped((item.name, str(item.reason)) for item in dataset.skipped),
                *(f"- {warning}" for warning in dataset.warnings),
            ]
        ),
    )


def _grouped(skipped: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a line for each reason why files were skipped, the most frequent first."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, reason in skipped:
        names[reason].append(name)
    for reason, those in sorted(names.items(), key=lambda item: -len(item[1])):
        more = f" and {len(those) - _SHOWN_FILES:,} more" if len(those) > _SHOWN_FILES else ""
        yield f"  skipped {len(those):,}: {reason}: {', '.join(those[:_SHOWN_FILES])}{more}"


def _inspect(options: argparse.Namespace, task: Task) -> None:
    survey = inspect_source(options.source, reading=reading_of(options), task=task)
    readings = [
        {
            "title": str(candidate.title),
            "options": {key: value for key, value in asdict(candidate.reading).items() if value},
            "classes": dict(candidate.classes),
            "splits": dict(candidate.splits),
            "examples": candidate.examples(),
            "warnings": list(map(str, candidate.notes)),
        }
        for candidate in survey.candidates
    ]
    lines = [f"{survey.images} images, {len(survey.skipped)} other files."]
    lines += _grouped((entry.name, str(reason)) for entry, reason in survey.skipped)
    for candidate in survey.candidates:
        examples = candidate.examples(1)
        counts = ", ".join(
            f"{label} {count} ({examples[label][0]})" for label, count in candidate.classes.items()
        )
        lines.append(f"{candidate.title}: {counts or f'{len(candidate.items)} images without a class'}")
    if not survey.problem:
        lines += [f"- {note}" for note in survey.candidates[0].notes]
    lines.append(str(survey.problem or "The first of these would be imported."))
    answer(
        options,
        {
            "images": survey.images,
            "readings": readings,
            "problem": str(survey.problem or ""),
            "skipped": [{"name": entry.name, "reason": str(reason)} for entry, reason in survey.skipped],
            "ignored": survey.ignored,
        },
        "\n".join(lines),
    )


def _audit(options: argparse.Namespace, task: Task) -> None:
    from vitcore.audit import find_issues, measure

    workspace = open_workspace()
    dataset = find_dataset(options, workspace, task)
    measures = measure(
        dataset,
        compute=compute_of(options),
        workspace=workspace,
        task=task,
    )
    found = find_issues(dataset, measures)
    names = dict(zip(dataset.index["image_id"], dataset.index["name"], strict=True))
    findings = [
        {
            "kind": finding.kind,
            "sentence": str(finding.sentence),
            "images": [[names[image_id] for image_id in group] for group in finding.groups],
            "remedies": list(finding.remedies),
        }
        for finding in found
    ]
    said = [
        {"good": remark.good, "sentence": str(remark.sentence)}
        for remark in remarks(dataset.index, findings=found)
    ]
    listed = {str(finding.sentence) for finding in found}
    lines = [f"Dataset {dataset.id} '{dataset.name}':"]
    lines += [
        f"{'+' if remark['good'] else '-'} {remark['sentence']}"
        for remark in said
        if remark["sentence"] not in listed
    ]
    for finding in findings:
        lines.append(f"- {finding['sentence']}")
        lines += [f"    {', '.join(group)}" for group in finding["images"][:_SHOWN_GROUPS]]
        more = len(finding["images"]) - _SHOWN_GROUPS
        lines += [f"    and {more} more (all of them with --json)"] if more > 0 else []
    answer(options, {"dataset_id": dataset.id, "findings": findings, "remarks": said}, "\n".join(lines))
