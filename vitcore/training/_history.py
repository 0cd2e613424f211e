"""The record of an epoch."""

from dataclasses import dataclass

from vitcore.records import Figure

__all__ = ["EpochRecord"]


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One epoch.

    Attributes:
        epoch: Counted from 1.
        training_loss: That of the batches as they were learned from: blended, noisy, drawn anew.
        validation_loss: Cross-entropy in nats, without smoothing and class weights, so that different
            settings compare.
        accuracy: On the validation images; NaN where it is not defined, as for the next two.
        balanced_accuracy: The same.
        cohen_kappa: The same.
        learning_rate: Of the last step; 1 for lbfgs.
        seconds: How long it took.
    """

    epoch: int
    training_loss: Figure
    validation_loss: Figure
    accuracy: Figure
    balanced_accuracy: Figure
    cohen_kappa: Figure
    learning_rate: Figure
    seconds: Figure
