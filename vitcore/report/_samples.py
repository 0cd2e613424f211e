"""Photos that the run was judged on: mistakes, right answers, and what the answers hang on."""

import base64
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image, ImageOps

from vitcore.dataset import Dataset
from vitcore.errors import StorageError, VitcoreError
from vitcore.inference import Classifier, Deletion, explain, heatmap, load_classifier
from vitcore.language import number, percent, tr, translated
from vitcore.report._answers import answer_sentence, nearest_classes
from vitcore.report._blocks import Block, Gallery, Heading, Paragraph, Tile
from vitcore.report._contents import ReportContents
from vitcore.report._names import shortened

__all__ = ["visualisation"]

_SHOWN = 8  # mistakes, and right answers
_EXPLAINED = 4  # each costs a forward pass
_LONGEST = 30  # name of a class below a picture
_SIDE, _QUALITY = 240, 82  # of a picture in pixels, and of its JPEG


def visualisation(contents: ReportContents) -> list[Block]:
    """Mistakes, the most confident first; right answers; maps of what spoke for an answer."""
    if contents.dataset is None:
        return [Paragraph(tr("The photos are not there any more, so that none can be shown."))]
    rows = contents.rows
    wrong = rows[~rows["right"]].sort_values("confidence", ascending=False, kind="stable")
    right = rows[rows["right"]].sample(frac=1, random_state=0)
    # One of each class before the second of any.
    right = right.assign(turn=right.groupby("true").cumcount()).sort_values("turn", kind="stable")
    blocks: list[Block] = [Heading(tr("Mistakes"))]
    if len(wrong):
        text = tr("{shown} of {count}, the most confident first.")
        blocks.append(Paragraph(text.format(shown=number(min(_SHOWN, len(wrong))), count=number(len(wrong)))))
        blocks.append(Gallery(list(_tiles(contents.dataset, wrong.head(_SHOWN)))))
    else:
        blocks.append(Paragraph(tr("There is not a single mistake.")))
    if len(right):
        text = tr("{shown} of {count}, drawn at random from different classes.")
        blocks.append(Heading(tr("Right answers")))
        blocks.append(Paragraph(text.format(shown=number(min(_SHOWN, len(right))), count=number(len(right)))))
        blocks.append(Gallery(list(_tiles(contents.dataset, right.head(_SHOWN)))))
    return blocks + _maps(contents, contents.dataset, pd.concat([wrong, right]).head(_EXPLAINED))


def _tiles(dataset: Dataset, rows: pd.DataFrame) -> Iterable[Tile]:
    row: Any
    for row in rows.itertuples():
        try:
            pictures = [(_data_uri(_small(dataset, row.file)), shortened(row.name))]
        except (VitcoreError, OSError):  # its file is gone; the answer is still worth telling
            pictures = []
        yield _tile(row, pictures)


def _small(dataset: Dataset, file: str) -> Image.Image:
    try:
        with Image.open(dataset.thumbnail(file)) as picture:
            return picture.convert("RGB")
    except StorageError:  # the disk is full, or read-only
        return dataset.small_image(file)


def _tile(row: Any, pictures: list[tuple[str, str]]) -> Tile:
    """Pictures with what was answered."""
    truth = tr("as labelled") if row.right else tr("truly: {name}").format(name=shortened(row.true, _LONGEST))
    guess = shortened(row.predicted, _LONGEST)
    reason = getattr(row, "reason", "")
    if reason:
        possible = [shortened(name, _LONGEST) for name in row.possible]
        answer = answer_sentence(guess, reason, possible)
        truth = f"{nearest_classes(reason, {guess: row.confidence})} · {truth}"
    else:
        answer = tr("{name}, {confidence}").format(name=guess, confidence=percent(row.confidence))
    return Tile(pictures, answer, truth, bool(row.right))


def _maps(contents: ReportContents, dataset: Dataset, rows: pd.DataFrame) -> list[Block]:
    """Show what spoke for some of the answers, if the backbone can be loaded."""
    blocks: list[Block] = [Heading(tr("What spoke for the answer"))]
    answers: list[Any] = list(rows.itertuples())
    try:
        classifier = load_classifier(
            contents.run.folder, head=contents.run.validation_head, workspace=contents.workspace
        )
        tiles = [_explained(classifier, dataset.path(row.file), row) for row in answers]
    except VitcoreError as error:
        text = tr("Maps of what spoke for an answer could not be made: {reason}")
        return [*blocks, Paragraph(text.format(reason=translated(error.message)), "note")]
    text = tr(
        "Beside each photo, orange is what spoke for the answer that was given, and blue what spoke against "
        "it; the stronger the colour, the more."
    )
    blocks.append(Paragraph(" ".join([text, *_belief(contents.map_check)])))
    return [*blocks, Gallery(tiles, paired=True)]


def _belief(check: Deletion | None) -> list[str]:
    """Say how the maps of the run did when tested, if they were."""
    if check is None:
        return []
    if check.reliable:
        text = tr(
            "The maps were put to the test on {count} photos: answers fell faster without the orange parts "
            "than without parts taken at random."
        )
    else:
        text = tr(
            "The maps were put to the test on {count} photos, and told no more than chance what the answers "
            "depend on; do not rely on them."
        )
    return [text.format(count=number(check.images))]


def _explained(classifier: Classifier, file: Path, row: Any) -> Tile:
    """A photo beside the map of the class it was taken for."""
    found = explain(classifier, file, classes=[row.predicted])
    picture = classifier.load(file)
    small = ImageOps.contain(picture, (_SIDE, _SIDE))
    if not found.patches.size:  # of a backbone that makes no maps
        return _tile(row, [(_data_uri(small), shortened(row.name))])
    painted = heatmap(found, picture, row.predicted, size=_SIDE)
    shows = tr("What spoke for {name}").format(name=shortened(row.predicted, _LONGEST))
    return _tile(row, [(_data_uri(small), shortened(row.name)), (_data_uri(painted), shows)])


def _data_uri(picture: Image.Image) -> str:
    """A small JPEG as text."""
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(packed.getvalue()).decode('ascii')}"
