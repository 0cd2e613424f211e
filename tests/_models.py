"""Classifiers that need no training."""

from pathlib import Path

import numpy as np

from vitcore.backbone import Device, Embedder, resolve_backbone
from vitcore.evaluation import DoubtRule
from vitcore.inference import Trust, save_classifier
from vitcore.training import LinearHead


def tiny_model(folder: Path, backbone: str, classes: tuple[str, ...]) -> Path:
    """Save a classifier with random numbers that sees 32 pixels; its folder."""
    random = np.random.default_rng(0)
    head = LinearHead(
        weight=random.normal(size=(len(classes), 128)).astype(np.float32),
        bias=np.zeros(len(classes), dtype=np.float32),
        mean=np.zeros(128, dtype=np.float32),
        std=np.ones(128, dtype=np.float32),
    )
    trust = Trust(
        temperature=4.0,
        rule=DoubtRule(masses=(0.6, 0.6), distances=(2.0, 2.0)),
        level=0.5,
        references=np.ones((2, 128), dtype=np.float16),
    )
    embedder = Embedder(resolve_backbone(backbone, 32), Device("cpu", "CPU", "fp32"))
    save_classifier(folder, head=head, embedder=embedder, classes=classes, trust=trust)
    return folder
