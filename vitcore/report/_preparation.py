"""The section on the photos: classes, what was left out, how they were divided and prepared."""

from collections import Counter

import pandas as pd

from vitcore.charts import class_count_chart
from vitcore.dataset import Dataset
from vitcore.language import decimals, images, ntr, number, tr, translated
from vitcore.report._blocks import Block, Chart, Figure, Heading, Items, Paragraph, Table
from vitcore.report._contents import ReportContents
from vitcore.report._names import shortened
from vitcore.report._provenance import division_sentences, seen_words
from vitcore.report._settings import setting_value

__all__ = ["preparation"]

_MOST_BARS = 50  # classes in one chart
_DENSE = 24  # classes, from which on the bars are narrower
_MOST_REASONS = 8
_LONG_LIST = 12  # rows, from which on they stand side by side


def preparation(contents: ReportContents) -> list[Block]:
    """The photos that were learned from and judged on."""
    blocks: list[Block] = []
    if contents.dataset is None:
        sentence = tr(
            "The dataset is not there any more, so that this report shows none of its photos and does not "
            "say what was left out of it: {reason}"
        )
        reason = translated(contents.missing) if contents.missing else ""
        blocks.append(Paragraph(sentence.format(reason=reason), "note"))
    else:
        blocks += _classes(contents, contents.dataset)
        blocks += _left_out(contents.dataset)
    blocks.append(Heading(tr("Division")))
    ready_made = contents.dataset is not None and contents.dataset.divided
    blocks.append(
        Paragraph(division_sentences(contents.run.config, contents.run.facts, ready_made=ready_made))
    )
    blocks.append(Heading(tr("Preparation of each photo")))
    blocks.append(Paragraph(_preparation(contents)))
    return blocks


def _classes(contents: ReportContents, dataset: Dataset) -> list[Block]:
    """The classes with their numbers of images."""
    counts = dataset.class_counts
    total, fewest, most = sum(counts.values()), min(counts.values()), max(counts.values())
    if fewest == most:
        text = tr("The dataset has {images} in {classes} classes, {each} in each.").format(
            images=images(total), classes=number(len(counts)), each=number(most)
        )
    else:
        text = tr(
            "The dataset has {images} in {classes} classes, from {fewest} in “{smallest}” to {most} in "
            "“{largest}”."
        ).format(
            images=images(total),
            classes=number(len(counts)),
            fewest=number(fewest),
            smallest=shortened(min(counts, key=counts.__getitem__)),
            most=number(most),
            largest=shortened(max(counts, key=counts.__getitem__)),
        )
    drawn, caption = counts, ""
    if len(counts) > _MOST_BARS:
        drawn = dict(sorted(counts.items(), key=lambda item: item[1])[:_MOST_BARS])
        caption = tr("The {count} classes with the fewest images.").format(count=number(_MOST_BARS))
    chart = class_count_chart({shortened(name, 40): count for name, count in drawn.items()})
    if len(drawn) > _DENSE:
        chart = chart.properties(height=17 * len(drawn))
    blocks: list[Block] = [
        Paragraph(text),
        Chart(chart, tr("Images per class"), caption),
        _class_counts(contents, dataset),
    ]
    if dataset.warnings:
        blocks.append(Paragraph(tr("What there is to know about these photos:")))
        blocks.append(Items([translated(warning) for warning in dataset.warnings]))
    return blocks


def _class_counts(contents: ReportContents, dataset: Dataset) -> Table:
    """One row per class: how many images were learned from, and how many it was judged on."""
    judged = dataset.index["image_id"].isin(contents.rows["image_id"])
    # Images that were added to a ready-made split later have no part, and are learned from.
    learned = ~judged & dataset.index["split"].isin(["", "train"])
    parts = [
        dataset.index.loc[part, "label"].value_counts()
        for part in (learned, judged, pd.Series(data=True, index=dataset.index.index))
    ]
    return Table(
        [tr("class"), tr("training"), tr("validation"), tr("in all")],
        [
            (shortened(name), *(Figure(int(part.get(name, 0)), "count") for part in parts))
            for name in dataset.classes
        ],
        tr("Images of each class, by what they were used for"),
        beside=2 if len(dataset.classes) > _LONG_LIST else 1,
    )


def _left_out(dataset: Dataset) -> list[Block]:
    """Files that were not taken, and why, in numbers; images that were removed."""
    blocks: list[Block] = [Heading(tr("What was left out"))]
    if dataset.skipped:
        reasons = Counter(translated(item.reason) for item in dataset.skipped).most_common()
        rows = [(reason, Figure(count, "count")) for reason, count in reasons[:_MOST_REASONS]]
        if more := sum(count for _, count in reasons[_MOST_REASONS:]):
            rows.append((tr("other reasons"), Figure(more, "count")))
        blocks.append(
            Table(
                [tr("reason"), tr("files")],
                rows,
                ntr(
                    "{count} file was not taken", "{count} files were not taken", len(dataset.skipped)
                ).format(count=number(len(dataset.skipped))),
            )
        )
    else:
        blocks.append(Paragraph(tr("No file had to be left out.")))
    if count := len(dataset.excluded):
        blocks.append(
            Paragraph(
                ntr(
                    "{count} image was removed by hand.", "{count} images were removed by hand.", count
                ).format(count=number(count))
            )
        )
    return blocks


def _preparation(contents: ReportContents) -> str:
    """Say how a photo is prepared for the transformer, and in which variants it was learned from."""
    h, preprocessing = contents.run.hyperparameters, contents.run.config.backbone.preprocessing
    text = tr(
        "Each photo was turned upright; what the transformer sees of it was resized to {size} × {size} "
        "pixels (bicubic), and its colours were scaled as the transformer is used to: mean {mean}, standard "
        "deviation {deviation} (red, green and blue, from 0 to 1)."
    ).format(
        size=preprocessing.input_size,
        mean=" · ".join(map(decimals, preprocessing.mean)),
        deviation=" · ".join(map(decimals, preprocessing.std)),
    )
    text = f"{text} {seen_words(contents.run.config.backbone)}"
    if h.views == 1:
        return f"{text} " + tr("Photos were learned from as they are, without variants.")
    varied = tr(
        "Of each training photo {views} versions were learned from: the photo itself, and others that vary "
        "it at random ({what}). Validation photos were judged as they are."
    ).format(views=number(h.views), what=setting_value("augmentations", h.augmentations))
    return f"{text} {varied}"
