"""The backbone where none is named: DINOv2 base where it is quick enough, else DINOv2 small."""

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from vitcore.backbone._catalogue import CATALOGUE, describe_backbone
from vitcore.backbone._device import Device, choose_device, cpu_name
from vitcore.backbone._spec import BackboneSpec
from vitcore.backbone._weights import AUTO, Backbone, resolve_auto, resolve_backbone
from vitcore.compute import Compute
from vitcore.errors import StorageError
from vitcore.messages import Message, message
from vitcore.progress import Task
from vitcore.records import read_json, write_json
from vitcore.workspace import Workspace

__all__ = ["backbone_for", "keep_speed", "kept_speeds", "preferred"]

BASE = "vit_base_patch14_dinov2.lvd142m"
LONGEST_S = 300.0
"""Seconds that all photos may take through DINOv2 base on a CPU."""

Speeds = Mapping[tuple[str, int], float]
"""Images per second by backbone and input size in pixels, as measured on one device."""

NO_SPEEDS: Speeds = MappingProxyType({})
_FEWEST = 50  # images, from which on the loading of the network hardly counts


def backbone_for(
    images: int,
    compute: Compute,
    *,
    input_size: int | None = None,
    workspace: Workspace,
    task: Task | None = None,
) -> Backbone:
    """Find the weights of the backbone that is asked for; of ``auto``, one that suits the images and machine.

    Args:
        images: How many are going to be embedded.
        compute: What is asked for.
        input_size: Pixels, instead of the backbone's usual size.
        workspace: Where measured speeds are kept.
        task: Where a download reports how far it is, and what stops it.

    Raises:
        BackboneError: No such backbone, or its weights cannot be had.
        DeviceError: The device, the precision or the engine is not here.
        Stopped: The task was stopped during a download.
    """
    if compute.backbone != "auto":
        return resolve_backbone(compute.backbone, input_size, task)
    device = choose_device(compute.device, compute.precision, compute.engine)
    wanted, reason = preferred(images, device, kept_speeds(workspace, device), input_size)
    return resolve_auto(wanted, reason, input_size, task)


def preferred(
    images: int, device: Device, speeds: Speeds = NO_SPEEDS, input_size: int | None = None
) -> tuple[str, Message]:
    """Choose DINOv2 base or small.

    Base on a GPU, and where all images take at most five minutes with it; small where nothing was measured.

    Args:
        images: How many are going to be embedded.
        device: Where.
        speeds: What was measured there.
        input_size: Pixels, instead of the backbone's usual size.

    Returns:
        The name of the backbone, and the reason with both times, one sentence for the user.
    """
    base, small = describe_backbone(BASE, input_size), describe_backbone(AUTO, input_size)
    names: dict[str, Message] = {"base": message(base.title), "small": message(small.title)}
    rates = _expected(base, speeds), _expected(small, speeds)
    on_gpu = device.name != "cpu"
    if rates[0] is None or rates[1] is None:
        if on_gpu:
            return BASE, message("The backbone is {base}, because there is a GPU.", **names)
        return AUTO, message(
            "The backbone is {small}: no speed has been measured on this machine yet, "
            "and {base} could take long.",
            **names,
        )
    base_s, small_s = images / rates[0], images / rates[1]
    times = {"base_time": _time(base_s), "small_time": _time(small_s), **names}
    if on_gpu:
        return BASE, message(
            "The backbone is {base}, because there is a GPU: the photos take about {base_time}, "
            "and {small_time} with {small}.",
            **times,
        )
    if base_s <= LONGEST_S:
        return BASE, message(
            "The backbone is {base}: the photos take about {base_time} here, and {small_time} with {small}.",
            **times,
        )
    return AUTO, message(
        "The backbone is {small}: the photos take about {small_time} here, and {base_time} with {base}.",
        **times,
    )


def keep_speed(
    workspace: Workspace, backbone: Backbone, device: Device, *, images: int, seconds: float
) -> None:
    """Keep how quickly a backbone of the catalogue took images on this machine, decoding included.

    So few that loading the network counted are no measurement. What cannot be kept is measured again.
    """
    if images < _FEWEST or seconds <= 0 or backbone.spec.id not in CATALOGUE:
        return
    file, spec = workspace.speeds, backbone.spec
    with suppress(StorageError), workspace.changing(file):
        everywhere = _read(workspace)
        here = everywhere.setdefault(_machine(device), {})
        here[f"{spec.id} {spec.preprocessing.input_size}"] = round(images / seconds, 4)
        write_json(file, everywhere)


def kept_speeds(workspace: Workspace, device: Device) -> Speeds:
    """Return the speeds that were measured on this machine with a device."""
    speeds = {}
    for key, rate in _read(workspace).get(_machine(device), {}).items():
        name, _, size = key.rpartition(" ")
        if name in CATALOGUE and size.isdecimal() and isinstance(rate, int | float) and rate > 0:
            speeds[name, int(size)] = float(rate)
    return speeds


def _expected(spec: BackboneSpec, speeds: Speeds) -> float | None:
    """Images per second: as measured, else by the most similar network measured; None without any."""
    wanted = _work(spec)
    # Of those that cost the same, what was measured with this very backbone.
    closest = min(
        speeds.items(),
        key=lambda item: (abs(math.log(_work(describe_backbone(*item[0])) / wanted)), item[0][0] != spec.id),
        default=None,
    )
    if closest is None:
        return None
    (name, size), rate = closest
    return rate * _work(describe_backbone(name, size)) / wanted


def _work(spec: BackboneSpec) -> float:
    """Work per image, about in proportion to the time: parameters times patches."""
    patch = re.search(r"patch(\d+)", spec.architecture)
    across = spec.preprocessing.input_size / (int(patch[1]) if patch else 16)
    return spec.parameters_millions * across**2


def _time(seconds: float) -> Message:
    if round(seconds) < 60:
        return message("{seconds:.0f} s", seconds=max(seconds, 1.0))
    return message("{minutes:.0f} min", minutes=seconds / 60)


def _machine(device: Device) -> str:
    return cpu_name() or device.title if device.name == "cpu" else device.title


def _read(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """All that is kept; nothing if it cannot be read, for it will be measured again."""
    found: object = {}
    if workspace.speeds.is_file():
        with suppress(StorageError):
            found = read_json(workspace.speeds)
    pairs = found.items() if isinstance(found, dict) else ()
    return {machine: speeds for machine, speeds in pairs if isinstance(speeds, dict)}
