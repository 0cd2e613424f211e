"""A training as it stands after an epoch, to go on with it later."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy
import torch

from vitcore.errors import SettingsError
from vitcore.messages import mark, message
from vitcore.records import guard, plain_values, record_of, replacing
from vitcore.training._head import HiddenHead, LinearHead
from vitcore.training._history import EpochRecord
from vitcore.training._hyperparameters import Hyperparameters, as_given
from vitcore.training._inputs import Inputs
from vitcore.training._network import Network

__all__ = ["Checkpoint", "data_digest", "optimizer_arrays", "restore"]

Arrays = dict[str, npt.NDArray[Any]]

_FORMAT = 1
_REMEDY = mark("train from the start")
_LBFGS_LISTS = ("old_dirs", "old_stps", "ro")  # empty after the first iteration
_LBFGS_SCRATCH = "al"  # written anew in every step, and as long as the memory may get


@dataclass(frozen=True, kw_only=True)
class _Description:
    """The metadata of a checkpoint, beside its arrays."""

    format: int
    hyperparameters: Hyperparameters
    data: str
    history: tuple[EpochRecord, ...]
    best_epoch: int
    sha256: str

    @staticmethod
    def upgraded(values: dict[str, Any]) -> dict[str, Any]:
        """Bring values of earlier versions to this form."""
        return {**values, "hyperparameters": Hyperparameters.upgraded(values["hyperparameters"])}


@dataclass(frozen=True, eq=False, kw_only=True)
class Checkpoint:
    """All that a training needs to go on after a finished epoch as if it had never been interrupted.

    Attributes:
        hyperparameters: Its settings.
        data: Digest of the embeddings and labels it learns from and is judged on.
        history: One record per finished epoch.
        best_epoch: The best of them, counted from 1; the epochs since then are what patience looks at.
        best: The head of that epoch.
        parameters: What is learned, by name, after the last epoch.
        optimizer: What the optimizer remembers, by name.
    """

    hyperparameters: Hyperparameters
    data: str
    history: tuple[EpochRecord, ...]
    best_epoch: int
    best: LinearHead | HiddenHead
    parameters: Mapping[str, npt.NDArray[np.float32]]
    optimizer: Mapping[str, npt.NDArray[Any]]

    def save(self, path: Path) -> None:
        """Replace a file in one step: a reader, or a crash, sees the old checkpoint or this one.

        Raises:
            StorageError: The disk is full or not writable.
        """
        tensors = {
            **{f"best.{name}": array for name, array in vars(self.best).items()},
            **{f"parameters.{name}": array for name, array in self.parameters.items()},
            **{f"optimizer.{name}": array for name, array in self.optimizer.items()},
        }
        tensors = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in tensors.items()}
        about = _Description(
            format=_FORMAT,
            hyperparameters=self.hyperparameters,
            data=self.data,
            history=self.history,
            best_epoch=self.best_epoch,
            sha256=_digest(tensors[name] for name in sorted(tensors)),
        )
        data = safetensors.numpy.save(tensors, {"checkpoint": json.dumps(plain_values(about))})
        with guard(path), replacing(path) as temporary:
            temporary.write_bytes(data)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            StorageError: Missing, damaged, or not a checkpoint.
        """
        with guard(path, _REMEDY):
            with safetensors.safe_open(path, framework="numpy") as file:
                about = record_of(_Description, json.loads(file.metadata()["checkpoint"]))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            best = _below("best", tensors)
            intact = about.sha256 == _digest(tensors[name] for name in sorted(tensors))
            checkpoint = cls(
                hyperparameters=about.hyperparameters,
                data=about.data,
                history=about.history,
                best_epoch=about.best_epoch,
                best=HiddenHead(**best) if "hidden_weight" in best else LinearHead(**best),
                parameters=_below("parameters", tensors),
                optimizer=_below("optimizer", tensors),
            )
            if not intact:
                raise ValueError(message("its contents are not those of then"))
        return checkpoint

    def check(self, h: Hyperparameters, network: Network, data: str) -> None:
        """Refuse to go on with other settings or data than those of the first part.

        A training may be lengthened if its learning rate does not depend on its length: with the
        schedule ``constant``, with ``lbfgs`` and with ``lda``. The numbers of folds and of repeats play no
        part in it.

        Raises:
            SettingsError: They differ; the message says in what.
        """
        before, now = plain_values(self.hyperparameters), plain_values(h)
        may_differ = {"finish", "repeats"}
        if h.schedule == "constant" or h.optimizer in ("lbfgs", "lda"):
            may_differ.add("epochs")
        differing = [name for name in now if now[name] != before[name] and name not in may_differ]
        if differing == ["epochs"]:
            raise SettingsError(
                "epochs is {epochs} and the checkpoint was made for {before}; a cosine cannot be lengthened "
                "on the way: keep the number, or train from the start.",
                epochs=h.epochs,
                before=before["epochs"],
            )
        if differing:
            changes = [
                message(
                    "{name} was {before} and is {now}",
                    name=name,
                    before=as_given(before[name]),
                    now=as_given(now[name]),
                )
                for name in differing
            ]
            raise SettingsError(
                "The checkpoint does not fit the settings: {changes}; give the same ones, or train from the "
                "start.",
                changes=changes,
            )
        if len(self.history) > h.epochs:
            raise SettingsError(
                "epochs is {epochs} and the checkpoint has {done} already; give as many at least.",
                epochs=h.epochs,
                done=len(self.history),
            )
        shapes = {name: array.shape for name, array in self.parameters.items()}
        wanted = {name: tuple(parameter.shape) for name, parameter in network.parameters.items()}
        for name in sorted(shapes.keys() | wanted.keys()):
            if shapes.get(name) != wanted.get(name):
                raise SettingsError(
                    "The checkpoint does not fit: its {name} is of shape {shape} and must be {wanted}; the "
                    "classes or the backbone are others. Train from the start.",
                    name=name,
                    shape=str(shapes.get(name)),
                    wanted=str(wanted.get(name)),
                )
        if self.data != data:
            raise SettingsError(
                "The checkpoint was made with other images or labels than these; train from the start."
            )


def data_digest(*arrays: npt.NDArray[Any] | Inputs) -> str:
    """Return the digest by which a checkpoint identifies data, in memory or not: 64 hexadecimal digits."""
    return _digest(arrays)


def optimizer_arrays(optimizer: torch.optim.Optimizer) -> Arrays:
    """Return the state of an optimizer as arrays named ``<parameter>.<name>``, or ``….<position>`` in a list.

    Its tensors are copied; its plain numbers become arrays of double precision or 64-bit integers,
    which no tensor of it is.
    """
    arrays: Arrays = {}
    for number, values in optimizer.state_dict()["state"].items():
        for name, value in values.items():
            if name == _LBFGS_SCRATCH:
                continue
            for position, part in enumerate(value if isinstance(value, list) else [value]):
                key = f"{number}.{name}.{position}" if isinstance(value, list) else f"{number}.{name}"
                if isinstance(part, torch.Tensor):
                    arrays[key] = part.detach().cpu().numpy().copy()
                elif part is not None:
                    arrays[key] = np.array(part)
    return arrays


def restore(checkpoint: Checkpoint, network: Network, optimizer: torch.optim.Optimizer) -> None:
    """Bring a network and its optimizer to where they were."""
    for name, parameter in network.parameters.items():
        parameter.copy_(torch.from_numpy(checkpoint.parameters[name]))
    state: dict[int, dict[str, Any]] = {}
    for key, array in checkpoint.optimizer.items():
        number, name, *position = key.split(".")
        value = array.item() if array.dtype in (np.float64, np.int64) else torch.from_numpy(array.copy())
        values = state.setdefault(int(number), {})
        if position:
            values.setdefault(name, {})[int(position[0])] = value
        else:
            values[name] = value
    for values in state.values():
        for name, value in values.items():
            if isinstance(value, dict):
                values[name] = [value[position] for position in sorted(value)]
        if isinstance(optimizer, torch.optim.LBFGS):
            for name in _LBFGS_LISTS:
                values.setdefault(name, [])
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _below(prefix: str, tensors: Arrays) -> Arrays:
    return {
        name.removeprefix(f"{prefix}."): array
        for name, array in tensors.items()
        if name.startswith(f"{prefix}.")
    }


def _digest(arrays: Iterable[npt.NDArray[Any] | Inputs]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        if isinstance(array, np.ndarray):
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        else:
            digest.update(f"float32{array.shape}".encode())
            for part in array.parts():
                digest.update(part.cpu().numpy().data)
    return digest.hexdigest()
