"""What only shows with many images; minutes long, so run on request: ``pytest -m slow``."""

import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitcore.dataset import list_datasets
from vitcore.workspace import Workspace

pytestmark = pytest.mark.slow

COUNT = 20_000
MOST_BYTES = 1.5 * 2**30


@pytest.fixture(scope="module")
def many_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("many") / "many.zip"
    random = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(COUNT):
            pixels = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            file = io.BytesIO()
            Image.fromarray(pixels).resize((160, 120)).save(file, "JPEG")
            archive.writestr(f"class {number % 10}/{number:06}.jpg", file.getvalue())
    return path


def start_import(source: Path, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "vitcore", "import", str(source), "--json"]
    with log.open("wb") as errors:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)


def test_20000_images_come_in_within_a_gigabyte_and_a_half(many_images: Path, tmp_path: Path) -> None:
    process = start_import(many_images, tmp_path / "log")
    assert process.stdout is not None
    with process.stdout as output:
        answer = json.loads(output.read())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    assert answer["images"] == COUNT
    assert usage.ru_maxrss * 1024 < MOST_BYTES
    print(f"{COUNT} images: at most {usage.ru_maxrss / 2**20:.2f} GiB of memory")
    progress = (tmp_path / "log").read_text().splitlines()
    assert len(progress) > 2
    assert progress[-1].startswith(f"import: {COUNT}/{COUNT}")


def test_an_import_that_is_killed_half_way_leaves_nothing(
    many_images: Path, tmp_path: Path, workspace: Workspace
) -> None:
    process = start_import(many_images, tmp_path / "log")
    deadline = time.monotonic() + 120
    while len(list(workspace.datasets.glob(".tmp-*/images/*/*"))) < COUNT // 4:
        assert time.monotonic() < deadline, (tmp_path / "log").read_text()
        assert process.poll() is None
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(list_datasets()) == 0
    workspace.sweep()
    assert list(workspace.datasets.iterdir()) == []
