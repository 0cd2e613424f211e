"""The origin of a run, and how far its figures hold: said alike in the report and in the model card."""

from vitcore.dataset import NO_GROUPS, GroupRule
from vitcore.evaluation import Evaluation
from vitcore.language import images, listed, ntr, number, percent, tr, translated
from vitcore.report._headline import headline_images
from vitcore.report._names import shortened
from vitcore.runs import RunBackbone, RunConfig, RunFacts

__all__ = ["backbone_rows", "division_sentences", "limits", "reading_words", "seen_words"]

_FEW = 20  # validation images of a class, below which its figures say little
_NAMED = 12  # classes named in a sentence, at most


def backbone_rows(backbone: RunBackbone) -> list[tuple[str, str]]:
    """Return the facts of the Vision Transformer by name and value."""
    size = backbone.preprocessing.input_size
    licence = backbone.licence
    if licence == "unknown":
        licence = tr("not known: ask whoever made the weights")
    return [
        (tr("Vision Transformer"), shortened(backbone.title)),
        (tr("Architecture"), shortened(backbone.architecture)),
        (tr("Licence of its weights"), shortened(licence)),
        (tr("SHA-256 of its weights"), backbone.weights_sha256),
        (tr("What is read"), reading_words(backbone)),
        (tr("What it sees"), tr("{size} × {size} pixels").format(size=size)),
    ]


def reading_words(backbone: RunBackbone) -> str:
    """Say what of the output of a Vision Transformer makes the embedding, as the end of a sentence."""
    reading, parts = backbone.reading, []
    if reading.blocks:
        parts.append(
            ntr(
                "class token and mean of the patches of block {blocks}",
                "class token and mean of the patches of blocks {blocks}",
                len(reading.blocks),
            ).format(blocks=listed([number(block) for block in reading.blocks]))
        )
    if reading.spread:
        parts.append(
            ntr(
                "maximum and deviation of the patches of block {blocks}",
                "maximum and deviation of the patches of blocks {blocks}",
                len(reading.spread),
            ).format(blocks=listed([number(block) for block in reading.spread]))
        )
    if reading.own_pooling:
        parts.append(tr("the vector that the network pools itself"))
    return "; ".join(parts)


def seen_words(backbone: RunBackbone) -> str:
    """Say what a Vision Transformer sees of a photo, in a sentence."""
    match backbone.preprocessing.fit:
        case "squashed":
            return tr("It looks at the whole of a photo, squashed to a square.")
        case "by shape":
            return tr(
                "It looks at the centred square of a photo and sees nothing beside it; a photo that is more "
                "than half as long again as broad it sees whole, cut into strips that lie side by side."
            )
    return tr("It looks at the centred square of a photo and sees nothing beside it.")


def division_sentences(config: RunConfig, facts: RunFacts, *, ready_made: bool) -> str:
    """Say how the images were divided.

    Args:
        config: Of the run.
        facts: Of the run.
        ready_made: Whether the division came with the dataset.
    """
    counts, split = config.images, config.split
    if counts is None or split is None:  # only a run that was never judged has none
        return ""
    parts = {"train": number(counts.train), "validation": number(counts.validation)}
    if ready_made:
        text = tr(
            "The dataset came with a division of its own, which was kept: {train} photos to learn from, and "
            "{validation} for validation."
        ).format(**parts)
    else:
        text = tr(
            "It first learned from {train} photos. The other {validation} were kept for validation: "
            "{fraction} of each class, drawn at random with the seed {seed}. They chose the best epoch and "
            "drew the curves."
        ).format(**parts, fraction=percent(split.validation_fraction), seed=split.seed)
    if facts.finish is not None:
        text += " " + tr("After that it learned from all {images}.").format(
            images=images(facts.finish.images)
        )
    if counts.test:
        text += " " + ntr(
            "{count} more photo was set aside to test the finished classifier, and used for nothing else.",
            "{count} more photos were set aside to test the finished classifier, and used for nothing else.",
            counts.test,
        ).format(count=number(counts.test))
    if not split.groups:
        return f"{text} " + tr("No two of them are near-duplicates of each other.")
    alike = tr("{images} of the photos are near-duplicates of each other, in {groups} groups.")
    if split.rule not in {"", NO_GROUPS}:
        alike = tr(
            "{rule} belong together, and so do near-duplicates: {images} of the photos, in {groups} groups."
        )
    sentence = alike.format(
        images=number(split.images),
        groups=number(split.groups),
        rule=shortened(translated(GroupRule.parse(split.rule).photos)),
    )
    if ready_made:
        return f"{text} {sentence}"
    kept = tr(
        "Each group was kept together on one side, so that nothing it was tested on had been learned by "
        "heart."
    )
    return f"{text} {sentence} {kept}"


def limits(
    evaluation: Evaluation, config: RunConfig, facts: RunFacts, *, suspects: int | None = None
) -> list[str]:
    """Return the limits of the figures, a sentence or more each.

    Args:
        evaluation: On the validation images.
        config: Of the run.
        facts: Of the run.
        suspects: How many labels a review found suspect; None without one.
    """
    accuracy = facts.headline_evaluation(evaluation).metrics["accuracy"]
    per_class = facts.thorough_evaluation(evaluation).per_class()
    texts = [
        tr(
            "The figures come from {images}. With so many, the accuracy on all photos like these lies "
            "between {low} and {high} (95 % interval); a classifier whose figures differ by less need not be "
            "better or worse."
        ).format(
            images=headline_images(evaluation, facts),
            low=percent(accuracy.low),
            high=percent(accuracy.high),
        )
    ]
    seen = per_class[per_class["support"] > 0]
    least = seen.sort_values("support", kind="stable").to_dict("records")[0]
    texts.append(
        tr(
            "Figures for single classes are less certain: “{name}” was measured on {images}, and its true "
            "recall may lie anywhere between {low} and {high}."
        ).format(
            name=shortened(least["class"]),
            images=images(int(least["support"])),
            low=percent(least["recall_low"]),
            high=percent(least["recall_high"]),
        )
    )
    if unseen := [shortened(name) for name in per_class.loc[per_class["support"] == 0, "class"]]:
        texts.append(
            tr("Nothing is known about {names}: no photo of them was left to measure by.").format(
                names=listed(unseen)
            )
        )
    few = seen.loc[seen["support"] < _FEW, "class"].tolist()
    if few:
        names = ", ".join(map(shortened, few[:_NAMED])) + ", …" * (len(few) > _NAMED)
        texts.append(
            tr("Fewer than {few} photos measure these classes, so their figures say little: {names}.").format(
                few=number(_FEW), names=names
            )
        )
    texts.append(seen_words(config.backbone))
    texts.append(
        tr(
            "All of this holds for photos like those of the dataset: of the same {count} classes, and taken "
            "in the same way. Of a photo of anything else it can only say which of these classes it "
            "resembles most."
        ).format(count=number(len(evaluation.classes)))
    )
    source = facts.headline_source
    if source == "validation" and config.hyperparameters.epochs > 1:
        texts.append(
            tr(
                "The best epoch was chosen by the same validation photos that measure it, which may make the "
                "figures a little too good."
            )
        )
    if source == "validation":
        texts.append(
            tr(
                "It was judged on one division of the photos. How much the figures would vary with another "
                "one was not measured; a cross-validation would tell."
            )
        )
    texts.append(_labels(suspects))
    return texts


def _labels(suspects: int | None) -> str:
    """Say what the labels are worth."""
    taken = tr("The labels of the dataset were taken to be right; a wrong one counts as a mistake.")
    if suspects is None:
        return taken
    looked = ntr(
        "A closer look found {count} label that deserves a second look.",
        "A closer look found {count} labels that deserve a second look.",
        suspects,
    ).format(count=number(suspects))
    return f"{taken} {looked}"
