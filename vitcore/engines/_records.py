"""Records of a choice among engines."""

from dataclasses import dataclass

from vitcore.records import StoredMessage

__all__ = ["EngineRecord", "EngineTrial"]


@dataclass(frozen=True, kw_only=True)
class EngineTrial:
    """An engine that was tried.

    Attributes:
        engine: As in `vitcore.backbone.ENGINES`.
        precision: Its number format.
        images_per_second: On this machine, with prepared images.
        cosine: Lowest cosine similarity of its embedding of an image to that of torch in fp32.
        same_label: Share of the answers of a linear probe that are the same by both, 0 … 1.
        images: How many were compared.
        agrees: Whether that is close enough.
    """

    engine: str
    precision: str
    images_per_second: float
    cosine: float
    same_label: float
    images: int
    agrees: bool


@dataclass(frozen=True, kw_only=True)
class EngineRecord:
    """The engine that was chosen to compute embeddings, and the reason.

    Attributes:
        engine: As in `vitcore.backbone.ENGINES`, not ``auto``.
        precision: Its number format.
        reason: One sentence for the user.
        candidates: What was tried on the user's images, torch in fp32 first; empty if nothing was.
    """

    engine: str
    precision: str
    reason: StoredMessage
    candidates: tuple[EngineTrial, ...] = ()
