"""The records of a run on disk."""

from dataclasses import dataclass
from typing import Any, Literal

from vitcore.backbone import BackboneSpec, Device
from vitcore.compute import Compute
from vitcore.engines import EngineRecord
from vitcore.evaluation import Evaluation
from vitcore.messages import NOTHING, mark
from vitcore.records import StoredMessage, Timestamp
from vitcore.training import Hyperparameters

__all__ = [
    "About",
    "Calibration",
    "CrossValidation",
    "DatasetReference",
    "Finish",
    "HeadlineFigure",
    "ImageCounts",
    "Leak",
    "PhaseSeconds",
    "Repeats",
    "RunBackbone",
    "RunConfig",
    "RunDivision",
    "RunFacts",
    "RunState",
    "SplitRecord",
    "State",
    "TestResult",
]

STATE_WORDS = (mark("running"), mark("complete"), mark("stopped"), mark("failed"), mark("interrupted"))
"""The states of a run, the last one that of a run whose process is gone."""

State = Literal["running", "complete", "stopped", "failed"]
"""The states on disk; a run that says ``running`` and has no process was interrupted."""


@dataclass(frozen=True, kw_only=True)
class DatasetReference:
    """The dataset that a run learns from: its id, its version, and its name at that time."""

    id: str
    name: str
    version: int


@dataclass(frozen=True, kw_only=True)
class RunBackbone(BackboneSpec):
    """The backbone of a run.

    Attributes:
        weights_sha256: Digest of its weights.
        fingerprint: By which its embeddings are found.
        note: One sentence on which it is and why.
    """

    weights_sha256: str
    fingerprint: str
    note: StoredMessage = NOTHING


@dataclass(frozen=True, kw_only=True)
class ImageCounts:
    """Numbers of images of a run, and of files that its dataset could not take."""

    train: int
    validation: int
    skipped: int
    test: int = 0


@dataclass(frozen=True, kw_only=True)
class SplitRecord:
    """The division of the images.

    Attributes:
        seed: What it was drawn with.
        validation_fraction: Share of the images kept for validation, 0 … 1.
        groups: Groups of more than one image that belong together.
        images: How many are in these.
        rule: By which the dataset groups its images; empty if nobody chose one.
        named_groups: Groups that the rule makes.
    """

    seed: int
    validation_fraction: float
    groups: int
    images: int
    rule: str = ""
    named_groups: int = 0


@dataclass(frozen=True, kw_only=True)
class RunDivision:
    """The division that a training goes on with, whatever becomes of that of its dataset.

    Attributes:
        validation: Ids of the validation images.
        redrawn: True if the record of the dataset was damaged, so that all images were divided anew.
    """

    validation: tuple[int, ...]
    redrawn: bool


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """The task of a run; enough to repeat it.

    Attributes:
        created: When, ISO 8601, UTC.
        name: For people, as it was called at the start.
        dataset: What it learns from.
        hyperparameters: Its settings.
        requested: What else was asked for.
        backbone: What that came to be.
        device: What computes.
        engine: Why; None for a run of before there was a choice.
        classes: C names, the order of the head's outputs.
        versions: Of the packages that take part, by name.
        images: None until all are embedded.
        split: None until all are embedded.
    """

    created: Timestamp
    name: str
    dataset: DatasetReference
    hyperparameters: Hyperparameters
    requested: Compute
    backbone: RunBackbone
    device: Device
    engine: EngineRecord | None = None
    classes: tuple[str, ...]
    versions: dict[str, str]
    images: ImageCounts | None = None
    split: SplitRecord | None = None

    @staticmethod
    def upgraded(values: dict[str, Any]) -> dict[str, Any]:
        """Bring values of earlier versions to this form."""
        return {
            **values,
            "hyperparameters": Hyperparameters.upgraded(values["hyperparameters"]),
            "backbone": BackboneSpec.upgraded(values["backbone"]),
        }


@dataclass(frozen=True, kw_only=True)
class PhaseSeconds:
    """The duration of the phases of a run."""

    embed: float
    fit: float
    evaluate: float
    total: float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The calibration of the confidence of a run.

    Attributes:
        temperature: What logits are divided by.
        error_before: Expected calibration error without that, 0 … 1.
        noise_floor: What the error of a perfectly calibrated classifier would be on so few images; as
            `error_before`, None in a run of before that was measured.
    """

    temperature: float
    error_before: float | None = None
    noise_floor: float | None = None


@dataclass(frozen=True, kw_only=True)
class Leak:
    """Validation images that are, as near-duplicates, among the training images as well.

    Attributes:
        images: How many.
        accuracy: With them.
        accuracy_without: Without them; None if none is left.
    """

    images: int
    accuracy: float
    accuracy_without: float | None


@dataclass(frozen=True, kw_only=True)
class TestResult:
    """The figures on the test part.

    Attributes:
        evaluation: On its images, which no choice saw.
        times: How many classifiers have been judged by these images, this one included.
        leak: None if none of them is, as a near-duplicate or by its group, among the others as well.
    """

    __test__ = False  # pytest takes what is called so for a test

    evaluation: Evaluation
    times: int
    leak: Leak | None = None


@dataclass(frozen=True, kw_only=True)
class HeadlineFigure:
    """The accuracy that stands for a run wherever a single figure is shown.

    Attributes:
        source: The part that it comes from.
        accuracy: 0 … 1.
        low: Lower end of its 95 % interval.
        high: Upper end.
        images: How many it rests on.
    """

    source: Literal["test", "cross-validation", "validation"]
    accuracy: float
    low: float
    high: float
    images: int


@dataclass(frozen=True, kw_only=True)
class CrossValidation:
    """The figures of heads that each learned from all folds but one; None where undefined.

    Attributes:
        folds: How many.
        accuracy: Of each.
        balanced_accuracy: Of each.
        cohen_kappa: Of each.
        evaluation: On all images together, each answered by the head of the other folds; None in a run of
            before the best epoch was chosen inside of the folds.
        singly: The same where images were dealt one by one although they belong together; None where they
            do not.
    """

    folds: int
    accuracy: tuple[float | None, ...]
    balanced_accuracy: tuple[float | None, ...]
    cohen_kappa: tuple[float | None, ...]
    evaluation: Evaluation | None = None
    singly: Evaluation | None = None


@dataclass(frozen=True, kw_only=True)
class Finish:
    """The last step of a training: a head that learned from the validation images as well.

    Attributes:
        images: How many it learned from.
        head_sha256: Digest of the file with the head that was judged on the validation images.
    """

    images: int
    head_sha256: str


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """The figures of trainings from other seeds; None where undefined."""

    seeds: tuple[int, ...]
    accuracy: tuple[float | None, ...]
    balanced_accuracy: tuple[float | None, ...]
    cohen_kappa: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class About:
    """The name and the note that somebody gave a run; empty where nobody did."""

    name: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """The course of a run, as far as it came; nothing while it runs for the first time.

    Attributes:
        message: Why it ended early, or what went wrong beside it; one sentence.
        best_epoch: The epoch that was kept, from 1.
        epochs_run: How many were finished.
        images_per_second: Through the backbone; 0 if all embeddings were there.
        seconds: By phase.
        calibration: Of its confidence; None in runs of before that was done.
        leak: None if no validation image leaked.
        test: None if the dataset has no test part.
        warnings: What to know of its images before its figures are trusted.
        cross_validation: None if the run was stopped before it, or has too few images.
        finish: None if the classifier is the one that was judged on the validation images.
        repeats: If they were asked for.
    """

    message: StoredMessage = NOTHING
    best_epoch: int | None = None
    epochs_run: int | None = None
    images_per_second: float | None = None
    seconds: PhaseSeconds | None = None
    calibration: Calibration | None = None
    leak: Leak | None = None
    test: TestResult | None = None
    warnings: tuple[StoredMessage, ...] = ()
    cross_validation: CrossValidation | None = None
    finish: Finish | None = None
    repeats: Repeats | None = None

    def headline_evaluation(self, validation: Evaluation) -> Evaluation:
        """Return the figures that stand for a run: of its test part, else those of `thorough_evaluation`."""
        return self.thorough_evaluation(validation) if self.test is None else self.test.evaluation

    def thorough_evaluation(self, validation: Evaluation) -> Evaluation:
        """Return the figures on the most images: by cross-validation, else on the validation images."""
        crossed = self.cross_validation
        return validation if crossed is None or crossed.evaluation is None else crossed.evaluation

    @property
    def headline_source(self) -> Literal["test", "cross-validation", "validation"]:
        """The origin of the figures that stand for a run."""
        if self.test is not None:
            return "test"
        crossed = self.cross_validation
        return "validation" if crossed is None or crossed.evaluation is None else "cross-validation"


@dataclass(frozen=True, kw_only=True)
class RunState(RunFacts):
    """The state of a run, with its course so far.

    Attributes:
        state: What it was when that was written; ``running`` also stands there when the process was killed.
        since: Since when, ISO 8601, UTC.
    """

    state: State
    since: str = ""
