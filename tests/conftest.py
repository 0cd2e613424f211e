"""What all tests share: a workspace of their own, a tiny backbone, small archives of pictures."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitcore.workspace import Workspace


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny networks are fastest on one thread, and by far so when the machine has other work."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def no_flush() -> Iterator[None]:
    """Files are not waited for until they are on the disk: no test pulls the plug."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The default workspace, empty, and no model hub."""
    monkeypatch.setenv("VITCORE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # read when it was imported
    return Workspace.default()


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with random weights for timm's smallest test network: 64 wide, 160 pixels, a millisecond."""
    import safetensors.torch
    import timm
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = timm.create_model("test_vit", pretrained=False, num_classes=0)
    path = tmp_path_factory.mktemp("backbone") / "tiny.safetensors"
    safetensors.torch.save_file(model.state_dict(), path, metadata={"architecture": "test_vit"})
    return str(path)


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Workspaces that are made once and copied."""
    return tmp_path_factory.mktemp("homes")


Prepared = Callable[[str, Callable[[], object]], None]


@pytest.fixture
def prepared_home(homes: Path, workspace: Workspace) -> Prepared:
    """Fills the default workspace by work that is done once under its name, and later copied."""

    def fill(name: str, work: Callable[[], object]) -> None:
        home = homes / name
        if home.exists():
            shutil.copytree(home, workspace.root, dirs_exist_ok=True)
        else:
            work()
            shutil.copytree(workspace.root, home)

    return fill


@pytest.fixture
def few_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches compare backbones and input sizes, and no other heads, which takes a tenth of the time."""
    monkeypatch.setattr("vitcore.search._recipes.PRESETS", {})
    monkeypatch.setattr("vitcore.search._recipes.settings_without_effect", lambda _: {"head"})


PictureFolder = Callable[..., Path]


@pytest.fixture
def picture_folder(tmp_path: Path) -> PictureFolder:
    """Makes a folder of class folders with distinct pictures that even a random network tells apart."""

    def make(
        classes: tuple[str, ...] = ("blue", "green", "red"), count: int = 12, name: str = "photos"
    ) -> Path:
        root = tmp_path / name
        for number, label in enumerate(classes):
            folder = root / label
            folder.mkdir(parents=True)
            random = np.random.default_rng(number)
            tint = random.uniform(40, 215, 3)
            for image in range(count):
                noise = random.normal(0, 20, (48, 64, 3))
                pixels = (tint + noise).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{image:03}.png")
        return root

    return make
