"""The loop that tutorials show, as a measure of what a stored embedding saves."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from benchmarks._rows import Row, timed
from benchmarks._setting import MissingData, Setting, home_at
from vitcore.backbone import Embedder, release_networks
from vitcore.compute import Compute
from vitcore.dataset import Dataset as Images
from vitcore.dataset import import_dataset
from vitcore.pipeline import train
from vitcore.runs import Run
from vitcore.training import Hyperparameters

__all__ = ["reference_loop"]

_DIGITS = 120
_EPOCHS = 20
_TIMED = 1


def reference_loop(setting: Setting) -> list[Row]:
    """Seconds of a first training of 20 epochs, embedding included, against the loop of tutorials.

    That loop sends all images through the frozen network in every epoch, those to learn from in another
    variant each time; both use the photos if there are any, else digits, and divide them alike. One
    epoch of it is timed, and counted 20 times; only with ``--whole`` is it carried out to its end, so that
    its accuracy can be told as well. Ours is measured with torch, in the same number format as the loop,
    and with the engine that is chosen automatically.
    """
    setting.say(f"  reference-loop: {_EPOCHS} epochs of ours")
    run, ours = _train(setting, engine="torch")
    setting.say("  reference-loop: the same with the engine that suits this machine")
    chosen, fastest = _train(setting, engine="auto")
    setting.say(f"  reference-loop: {chosen.config.engine.reason}")
    tutorial = _Tutorial(run, _dataset(setting)[0], setting.embedder())
    epochs = _EPOCHS if setting.whole else _TIMED
    setting.say(f"  reference-loop: {epochs} of the tutorial's epochs")
    seconds = timed(lambda: [tutorial.epoch() for _ in range(epochs)]) * _EPOCHS / epochs
    rows = [
        Row(name="reference-loop", value=ours, unit="s", baseline=seconds),
        Row(name="reference-loop, auto", value=fastest, unit="s", baseline=seconds),
    ]
    if setting.whole:
        for name, trained in (("torch", run), ("auto", chosen)):
            accuracy = trained.evaluation.metrics["accuracy"].value
            rows.append(
                Row(
                    name=f"reference-loop, accuracy, {name}",
                    value=100 * accuracy,
                    unit="%",
                    baseline=100 * tutorial.best_accuracy,
                )
            )
    return rows


def _dataset(setting: Setting) -> tuple[Images, Any]:
    """The photos, or digits where there are none, in a workspace without embeddings."""
    workspace = setting.workspace()
    try:
        return import_dataset(setting.photo_source(), workspace=workspace), workspace
    except MissingData:
        return import_dataset(setting.digit_files(_DIGITS), workspace=workspace), workspace


def _train(setting: Setting, *, engine: str) -> tuple[Run, float]:
    """The first training on a machine, and how long it took from the loading of the network on."""
    dataset, workspace = _dataset(setting)
    h = Hyperparameters(epochs=_EPOCHS)
    found: list[Run] = []
    release_networks()
    with home_at(workspace):  # where there are no networks written for other engines yet
        seconds = timed(
            lambda: found.append(
                train(dataset, h, compute=Compute(setting.backbone, engine=engine), workspace=workspace)
            )
        )
    return found[0], seconds


class _Tutorial:
    """The frozen network with a new linear layer, in the same number format as ours."""

    def __init__(self, run: Run, images: Images, embedder: Embedder) -> None:
        self._device = embedder.device
        self._network = embedder.network
        judged = set(run.predictions["sha256"])
        rows = images.index
        numbers = {label: number for number, label in enumerate(images.classes)}
        files = [
            (images.path(file), numbers[label], sha256 in judged)
            for file, label, sha256 in zip(rows["file"], rows["label"], rows["sha256"], strict=True)
        ]
        usual, augmented = _transforms(embedder.backbone.spec.preprocessing)
        learned = _Files([(path, label) for path, label, kept in files if not kept], augmented)
        self._learned = DataLoader(learned, batch_size=32, shuffle=True)
        self._judged = DataLoader(
            _Files([(path, label) for path, label, kept in files if kept], usual), batch_size=32
        )
        with torch.no_grad():
            size = embedder.input_size
            width = self._network(torch.zeros(1, 3, size, size, device=self._device.name)).shape[1]
        self._layer = nn.Linear(width, len(images.classes)).to(self._device.name)
        self._optimizer = torch.optim.AdamW(self._layer.parameters(), lr=1e-3)
        self.best_accuracy = 0.0

    def epoch(self) -> None:
        """Learn from the training images, then judge the validation images."""
        for logits, labels in self._logits(self._learned):
            loss = nn.functional.cross_entropy(logits, labels)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
        with torch.no_grad():
            right = [
                (logits.argmax(dim=1) == labels).float() for logits, labels in self._logits(self._judged)
            ]
        self.best_accuracy = max(self.best_accuracy, torch.cat(right).mean().item())

    def _logits(self, loader: "DataLoader[Any]") -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        device = self._device
        for images, labels in loader:
            with torch.autocast(device.name, device.dtype, enabled=device.dtype != torch.float32):
                logits = self._layer(self._network(images.to(device.name)))
            yield logits.float(), labels.to(device.name)


class _Files(Dataset[tuple[torch.Tensor, int]]):
    """Image files with the numbers of their classes."""

    def __init__(self, files: Sequence[tuple[Any, int]], transform: Any) -> None:
        self._files, self._transform = files, transform

    def __len__(self) -> int:
        """The number of them."""
        return len(self._files)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        """One of them, decoded and transformed."""
        path, label = self._files[number]
        with Image.open(path) as image:
            return self._transform(image.convert("RGB")), label


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
