"""The loop that tutorials show, as a measure of what a stored embedding saves."""

from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from benchmarks._rows import Row, side_by_side, timed
from benchmarks._setting import Setting
from vitcore.backbone import Embedder
from vitcore.dataset import import_dataset
from vitcore.pipeline import train
from vitcore.training import Hyperparameters

__all__ = ["reference_loop"]

_IMAGES = 120
_EPOCHS = 20
_REPEATS = 3


def reference_loop(setting: Setting) -> list[Row]:
    """Seconds of a first training of 20 epochs, embedding included, against the loop of tutorials.

    That loop sends all images through the frozen network in every epoch: one epoch of it is timed, and
    counted 20 times.
    """
    source = setting.digit_files(_IMAGES)

    def ours() -> float:
        setting.say(f"  reference-loop: {_EPOCHS} epochs of ours, then one of the tutorial's")
        workspace = setting.workspace()
        dataset = import_dataset(source, workspace=workspace)
        h = Hyperparameters(epochs=_EPOCHS)
        return timed(lambda: train(dataset, h, backbone=setting.backbone, workspace=workspace))

    tutorial = _Tutorial(source, setting.embedder())
    value, baseline = side_by_side(ours, lambda: _EPOCHS * timed(tutorial.epoch), repeats=_REPEATS)
    return [Row(name="reference-loop", value=value, unit="s", baseline=baseline)]


class _Tutorial:
    """A frozen network of timm with a new linear layer, in the same number format as ours."""

    def __init__(self, source: Path, embedder: Embedder) -> None:
        import timm
        from torchvision.datasets import ImageFolder

        spec = embedder.backbone.spec
        self._device = embedder.device
        usual, augmented = _transforms(spec.preprocessing)
        plain, varied = ImageFolder(source, usual), ImageFolder(source, augmented)
        shuffled = torch.randperm(len(plain), generator=torch.Generator().manual_seed(0)).tolist()
        judged = round(0.2 * len(shuffled))
        self._judged = DataLoader(torch.utils.data.Subset(plain, shuffled[:judged]), batch_size=32)
        self._learned = DataLoader(
            torch.utils.data.Subset(varied, shuffled[judged:]), batch_size=32, shuffle=True
        )
        # Random weights take as long as others.
        self._model = timm.create_model(
            spec.architecture,
            pretrained=False,
            num_classes=len(plain.classes),
            img_size=spec.preprocessing.input_size,
        )
        self._model.requires_grad_(requires_grad=False)
        self._model.get_classifier().requires_grad_(requires_grad=True)
        self._model.to(self._device.name)
        self._optimizer = torch.optim.AdamW(self._model.get_classifier().parameters(), lr=1e-3)

    def epoch(self) -> None:
        """Learn from the training images, then judge the validation images."""
        self._model.train()
        for images, labels in self._learned:
            loss = self._loss(images, labels)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
        self._model.eval()
        with torch.no_grad():
            for images, labels in self._judged:
                self._loss(images, labels).item()

    def _loss(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        device = self._device
        with torch.autocast(device.name, device.dtype, enabled=device.dtype != torch.float32):
            logits = self._model(images.to(device.name))
        return torch.nn.functional.cross_entropy(logits.float(), labels.to(device.name))


def _transforms(preprocessing: Any) -> tuple[Any, Any]:
    """For the images to be judged, and for those to learn from."""
    from torchvision.transforms import v2

    size = preprocessing.input_size
    end = [
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(preprocessing.mean, preprocessing.std),
    ]
    usual = v2.Compose([v2.Resize(size), v2.CenterCrop(size), *end])
    return usual, v2.Compose([v2.RandomResizedCrop(size), v2.RandomHorizontalFlip(), *end])
