"""The download of a backbone as it is seen on the command line and in the app's job bar."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors.torch

from app.shared.jobs import _position
from tests._hub import Hub, part_then_silence, refusal, serving, use_in_place_of_the_hub
from vitcore.backbone import resolve_backbone
from vitcore.jobs import JobQueue, JobSnapshot
from vitcore.progress import Progress

ROOT = Path(__file__).parents[1]
NAME = "test_vit.r160_in1k"


@pytest.fixture(scope="module")
def weights() -> bytes:
    """The weights of a small network, 1.5 MB, as the hub has them."""
    import timm
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = timm.create_model("test_vit", pretrained=False)
    return safetensors.torch.save({name: value.contiguous() for name, value in model.state_dict().items()})


class Command:
    """A training in a process of its own, with nothing in the cache of the hub at first."""

    def __init__(self, hub: Hub, folder: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(folder / "huggingface"),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "*",
            "OMP_NUM_THREADS": "1",
        }.items():
            monkeypatch.setenv(name, value)
        command = [sys.executable, "-m", "vitcore", "train", str(photos), "--backbone", NAME, "--epochs", "1"]
        self.process = subprocess.Popen(
            [*command, "--engine", "torch", "--device", "cpu"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ended(self) -> tuple[int, str]:
        """The exit status, and what it said on stderr."""
        _, said = self.process.communicate(timeout=120)
        return self.process.returncode, said


def test_a_licence_that_was_not_accepted_is_one_line(weights, tmp_path, picture_folder, monkeypatch):
    with serving(weights) as hub:
        hub.asked = refusal(403, X_Error_Code="GatedRepo", X_Error_Message="You must be signed in.")
        status, said = Command(hub, tmp_path, picture_folder(count=3), monkeypatch).ended()
    assert status == 1
    assert said.splitlines()[-1] == (
        f"vitcore: '{NAME}' cannot be downloaded: its licence must be accepted first "
        f"(the hub says: You must be signed in); accept it at 127.0.0.1:{hub.server_port}/timm/{NAME}, "
        "sign in with 'hf auth login' or set HF_TOKEN, try again, or choose 'embedded'."
    )
    assert "Traceback" not in said


@pytest.mark.thorough
def test_ctrl_c_ends_a_download_and_the_same_command_goes_on_with_it(
    weights, tmp_path, picture_folder, monkeypatch
):
    photos = picture_folder(count=6)
    with serving(weights) as hub:
        hub.fetched = [part_then_silence(1_100_000), None]
        command = Command(hub, tmp_path, photos, monkeypatch)
        deadline = time.monotonic() + 60
        while not hub.downloads and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)  # for what was sent to arrive
        command.process.send_signal(signal.SIGINT)
        status, said = command.ended()
        assert (status, said.splitlines()[-1]) == (
            130,
            "The download was stopped; the next one resumes there.",
        )
        assert "download: 0/2 MB" in said
        status, said = Command(hub, tmp_path, photos, monkeypatch).ended()
        assert (status, hub.downloads[-1]["Range"]) == (0, "bytes=1100000-")
        assert "download: 2/2 MB" in said


def test_the_job_bar_shows_megabytes_and_the_time_left():
    progress = Progress(phase="download", done=12, total=88, unit="MB", per_second=3.0, remaining_s=25.0)
    assert _position(JobSnapshot(progress=progress)) == "12 of 88 MB, 25 s left"


def test_stop_ends_the_download_of_a_job(weights, tmp_path, monkeypatch):
    with serving(weights) as hub:
        use_in_place_of_the_hub(hub.url, tmp_path / "cache", monkeypatch)
        hub.fetched = [part_then_silence(1_100_000)]
        jobs = JobQueue()
        job = jobs.submit("training", "Photos", lambda job: resolve_backbone(NAME, task=job.task))
        deadline = time.monotonic() + 30
        while job.snapshot.progress is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert job.snapshot.progress.unit == "MB"
        asked = time.monotonic()
        jobs.stop(job)
        while job.snapshot.active and time.monotonic() < deadline:
            time.sleep(0.01)
        assert time.monotonic() - asked < 2
    assert job.snapshot.state == "stopped"
    assert str(job.snapshot.message) == "The download was stopped; the next one resumes there."
