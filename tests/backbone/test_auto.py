"""The backbone that is taken where none is named."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from tests.backbone.test_weights import put_into_cache
from vitcore.backbone import Backbone, Device, backbone_for, describe_backbone, keep_speed
from vitcore.backbone import _weights as weights
from vitcore.backbone._auto import BASE, kept_speeds, preferred
from vitcore.backbone._hub import HubError
from vitcore.backbone._weights import AUTO
from vitcore.compute import Compute
from vitcore.messages import message
from vitcore.workspace import Workspace

CPU = Device("cpu", "CPU", "fp32")
GPU = Device("cuda", "NVIDIA H200", "bf16")
ON_CPU = Compute(device="cpu", engine="torch")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "home")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the model hub, which is offline."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    return folder


def measured(name: str, size: int = 224) -> Backbone:
    return Backbone(describe_backbone(name, size), Path("weights"), "0" * 64, message("Measured."))


@pytest.mark.parametrize(
    ("images", "device", "speeds", "wanted", "sentence"),
    [
        (9000, GPU, {}, BASE, "DINOv2 base, because there is a GPU."),
        (600, CPU, {}, AUTO, "DINOv2 small: no speed .* yet, and DINOv2 base could take long."),
        (
            900,
            GPU,
            {(BASE, 224): 1.0, (AUTO, 224): 4.0},
            BASE,
            "DINOv2 base, because there is a GPU: the photos take about 15 min, and 4 min with DINOv2 small.",
        ),
        (
            300,
            CPU,
            {(BASE, 224): 1.0, (AUTO, 224): 6.0},
            BASE,
            "DINOv2 base: the photos take about 5 min here, and 50 s with DINOv2 small.",
        ),
        (
            360,
            CPU,
            {(BASE, 224): 1.0, (AUTO, 224): 6.0},
            AUTO,
            "DINOv2 small: the photos take about 1 min here, and 6 min with DINOv2 base.",
        ),
    ],
    ids=["a GPU", "nothing measured", "a GPU that was measured", "it fits", "it does not"],
)
def test_base_is_taken_where_it_is_quick_enough(images, device, speeds, wanted, sentence):
    found, reason = preferred(images, device, speeds)
    assert found == wanted
    assert re.search(sentence, str(reason))


@pytest.mark.parametrize("known", ["embedded", AUTO, "vit_tiny_patch16_224.augreg_in21k_ft_in1k"])
def test_the_speed_of_another_backbone_is_scaled_by_its_size(known):
    spec, base = describe_backbone(known), describe_backbone(BASE)
    patches = {14: 16**2, 16: 14**2}[16 if "patch16" in spec.architecture else 14]
    ratio = base.parameters_millions * 16**2 / (spec.parameters_millions * patches)
    assert preferred(299, CPU, {(known, 224): ratio})[0] == BASE
    assert preferred(301, CPU, {(known, 224): ratio})[0] == AUTO


def test_a_larger_input_takes_longer():
    speeds = {(BASE, 224): 1.0}
    assert [preferred(200, CPU, speeds, size)[0] for size in (224, 448)] == [BASE, AUTO]
    assert preferred(200, CPU, {**speeds, (BASE, 448): 1.0}, 448)[0] == BASE


def test_speeds_are_kept_for_each_machine_size_and_backbone(workspace):
    assert kept_speeds(workspace, CPU) == {}
    keep_speed(workspace, measured(AUTO), CPU, images=100, seconds=50)
    keep_speed(workspace, measured(AUTO), CPU, images=100, seconds=25)
    keep_speed(workspace, measured(AUTO, 448), CPU, images=100, seconds=100)
    keep_speed(workspace, measured(BASE), GPU, images=1000, seconds=1)
    keep_speed(workspace, measured(BASE), CPU, images=49, seconds=1)
    keep_speed(workspace, replace(measured(BASE), spec=describe_backbone("lite2")), CPU, images=99, seconds=1)
    assert kept_speeds(workspace, CPU) == {(AUTO, 224): 4.0, (AUTO, 448): 1.0}
    assert kept_speeds(workspace, GPU) == {(BASE, 224): 1000.0}


@pytest.mark.parametrize("content", ["", "[1]", '{"CPU": 3}', "\x00"])
def test_a_damaged_memory_is_no_obstacle(workspace, content):
    workspace.speeds.write_text(content)
    assert kept_speeds(workspace, CPU) == {}
    keep_speed(workspace, measured(AUTO), CPU, images=100, seconds=50)
    assert kept_speeds(workspace, CPU) == {(AUTO, 224): 2.0}


def test_what_this_machine_has_measured_decides(workspace, cache):
    for name in (AUTO, BASE):
        put_into_cache(cache, name, safetensors.torch.save({"weight": torch.zeros(3)}))
    found = [backbone_for(900, ON_CPU, workspace=workspace)]
    keep_speed(workspace, measured("embedded"), CPU, images=600, seconds=40)
    found += [backbone_for(images, ON_CPU, workspace=workspace) for images in (900, 2000)]
    assert [backbone.spec.id for backbone in found] == [AUTO, BASE, AUTO]
    assert "1 min with DINOv2 small" in str(found[1].note)


@pytest.mark.usefixtures("embedded")
@pytest.mark.parametrize("small_is_here", [False, True])
def test_one_attempt_at_the_hub_decides(workspace, cache, small_is_here, monkeypatch):
    attempts = []

    def refused(repository, *_):
        attempts.append(repository)
        if small_is_here and repository.endswith(AUTO):
            return next(cache.glob("*/snapshots/*/model.safetensors"))
        raise HubError(message("it is silent"), message("try again"))

    if small_is_here:
        put_into_cache(cache, AUTO, b"weights")
    monkeypatch.setattr(weights, "hub_file", refused)
    keep_speed(workspace, measured(AUTO), CPU, images=600, seconds=6)
    found = backbone_for(600, ON_CPU, workspace=workspace)
    assert found.spec.id == (AUTO if small_is_here else "embedded")
    assert attempts == [f"timm/{name}" for name in (BASE, AUTO)[: 1 + small_is_here]]
    because = "because DINOv2 base could not be downloaded: it is silent."
    assert str(found.note) == f"The backbone is {found.spec.title}, {because}"


def test_a_named_backbone_is_that_one(workspace, tiny_backbone):
    assert backbone_for(10**6, Compute(tiny_backbone), workspace=workspace).spec.id == tiny_backbone
