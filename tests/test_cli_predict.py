"""``python -m vitcore predict``: many files, interrupted and gone on with."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests._models import tiny_model
from tests._piles import video
from vitcore.backbone import Embedder
from vitcore.cli import main
from vitcore.inference import load_classifier, read_predictions

CLASSES = ("blue", "green", "red")
BATCH = 16
COUNT = 5000
PATIENCE_S = 300.0
MOST_GROWTH_BYTES = 100 * 2**20


@pytest.fixture
def model(tiny_backbone, tmp_path) -> Path:
    """The folder of a classifier that sees 32 pixels."""
    return tiny_model(tmp_path / "model", tiny_backbone, CLASSES)


@pytest.fixture
def photos(tmp_path) -> Path:
    """40 pictures in two folders, one of them below the other."""
    random = np.random.default_rng(1)
    for number in range(40):
        folder = tmp_path / "photos" / ("more" if number % 2 else "")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = (random.uniform(40, 215, 3) + random.normal(0, 20, (20, 30, 3))).clip(0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:02}.png")
    return tmp_path / "photos"


@pytest.fixture
def ask(capsys):
    """Runs the command and gives its status, what it printed, and the lines of stderr."""

    def ask(*arguments):
        capsys.readouterr()
        status = main(["predict", *map(str, arguments)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err.splitlines()

    return ask


@pytest.fixture
def answer(ask):
    """Runs the command with --json and gives its answer, which must be all there is on stdout."""

    def answer(*arguments):
        status, out, _ = ask(*arguments, "--json")
        assert status == 0
        assert len(out.splitlines()) == 1
        return json.loads(out)

    return answer


@pytest.fixture
def interrupted(monkeypatch):
    """Makes the next command be interrupted by Ctrl-C in its second batch."""

    def interrupted():
        start, batches = Embedder.start, []

        def counted(self, pixels):
            batches.append(len(pixels))
            if len(batches) == 2:
                signal.raise_signal(signal.SIGINT)
            return start(self, pixels)

        monkeypatch.setattr(Embedder, "start", counted)
        return batches

    return interrupted


def paths_of(table: Path) -> list[str]:
    with table.open(newline="", encoding="utf-8-sig") as file:
        return [row["path"] for row in csv.DictReader(file)]


# --- the answer ----------------------------------------------------------------------------------


def test_the_csv_file_and_the_json_object_say_the_same(answer, model, photos, tmp_path):
    table = tmp_path / "answers.csv"
    images = [photos / "02.png", photos / "more/01.png"]
    said = answer(model, *images, "--csv", table)
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "label", "confidence", "sure", "reason", "error", *CLASSES]
    assert [row["path"] for row in rows] == list(map(str, images))
    for row, one, prediction in zip(
        rows, said["predictions"], load_classifier(model).predict(images), strict=True
    ):
        assert row["path"] == one["path"]
        assert row["label"] == one["label"] == prediction.label
        assert row["sure"] == ("yes" if one["sure"] else "no")
        assert row["reason"] == one["reason"] == prediction.reason
        assert row["error"] == ""
        assert float(row["confidence"]) == one["confidence"] == pytest.approx(prediction.confidence, abs=1e-8)
        assert float(row["green"]) == one["probabilities"]["green"]
        assert list(one["probabilities"]) == list(prediction.probabilities)


def test_the_json_object_is_the_same_with_and_without_a_csv_file(answer, model, photos, tmp_path):
    (photos / "text.txt").write_text("no photo")
    alone, beside = answer(model, photos), answer(model, photos, "--csv", tmp_path / "answers.csv")
    assert (
        alone["skipped"]
        == beside["skipped"]
        == [{"path": str(photos / "text.txt"), "reason": "not an image of a known format"}]
    )
    assert len(alone["predictions"]) == 40
    for one, other in zip(alone["predictions"], beside["predictions"], strict=True):
        numbers = other.pop("probabilities"), other.pop("confidence")
        assert one.pop("probabilities") == pytest.approx(numbers[0], abs=1e-8)
        assert one.pop("confidence") == pytest.approx(numbers[1], abs=1e-8)
        assert one == other


def test_nothing_that_can_be_predicted_is_still_one_json_object(answer, model, tmp_path):
    missing = tmp_path / "missing.png"
    reason = "cannot be opened (No such file or directory)"
    expected = {"predictions": [], "skipped": [{"path": str(missing), "reason": reason}]}
    assert answer(model, missing) == expected
    assert answer(model, missing, "--csv", tmp_path / "answers.csv") == expected


def test_the_first_of_many_skipped_files_are_listed_and_where_all_are(ask, model, photos, tmp_path):
    bad = [tmp_path / f"missing {number}.png" for number in range(23)]
    table = tmp_path / "answers.csv"
    for options, place in ((["--csv", table], f", all in {table}"), (["--json"], ", all in the answer")):
        status, _, lines = ask(model, *bad, photos / "02.png", *options)
        assert status == 0
        assert [line.split(":")[0] for line in lines[-21:-1]] == [f"skipped {path}" for path in bad[:20]]
        assert lines[-1] == f"and 3 more{place}"
    status, out, lines = ask(model, *bad, photos / "02.png")
    assert len(out.splitlines()) == 1
    assert [line.split(":")[0] for line in lines[-23:]] == [f"skipped {path}" for path in bad]


def test_progress_is_told_on_stderr(ask, model, photos, tmp_path):
    for options in ([], ["--json"], ["--csv", tmp_path / "answers.csv"]):
        lines = ask(model, photos, *options)[2]
        assert lines[0] == "predict: 0/40 images"
        assert lines[-1].startswith("predict: 40/40 images")


def test_a_name_of_several_lines_is_said_on_one(ask, model, photos, tmp_path):
    odd = tmp_path / "two\nlines\x1b[2J.png"
    (photos / "02.png").rename(odd)
    _, out, _ = ask(model, odd)
    assert out.startswith(f"{tmp_path}/two lines\N{REPLACEMENT CHARACTER}[2J.png: ")
    assert len(out.splitlines()) == 1


# --- folders -------------------------------------------------------------------------------------


def test_folders_are_walked_in_the_order_of_paths_without_what_is_hidden(answer, model, photos):
    (photos / ".hidden.png").write_bytes((photos / "00.png").read_bytes())
    (photos / ".folder").mkdir()
    (photos / ".folder" / "00.png").write_bytes((photos / "00.png").read_bytes())
    (photos / "more" / "zz").mkdir()
    (photos / "more" / "zz" / "deep.png").write_bytes((photos / "00.png").read_bytes())
    (photos / "nothing").mkdir()
    (photos / "Thumbs.db").write_bytes(b"no photo")
    said = answer(model, photos)
    found = sorted(path for path in photos.rglob("*.png") if "/." not in str(path))
    assert len(found) == 41
    assert [row["path"] for row in said["predictions"]] == list(map(str, found))
    assert [row["path"] for row in said["skipped"]] == [str(photos / "Thumbs.db")]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links_to_files_are_followed_and_links_to_folders_are_not(answer, model, photos):
    (photos / "link.png").symlink_to(photos / "02.png")
    (photos / "more" / "up").symlink_to(photos)
    (photos / "broken.png").symlink_to(photos / "nowhere.png")
    said = answer(model, photos)
    assert len(said["predictions"]) == 41
    assert said["predictions"][-1 - 20]["path"] == str(photos / "link.png")
    assert said["skipped"] == []


def test_a_folder_that_cannot_be_listed_is_told(answer, model, photos, monkeypatch):
    listed = os.scandir

    def scandir(path):
        if path == photos / "more":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    said = answer(model, photos)
    assert len(said["predictions"]) == 20
    assert [row["path"] for row in said["skipped"]] == [str(photos / "more")]


def test_a_table_among_the_photos_is_not_taken_for_one(answer, model, photos):
    table = photos / "more" / "answers.csv"
    for _ in range(2):
        assert answer(model, photos, "--csv", table)["skipped"] == []
        assert len(paths_of(table)) == 40


# --- being interrupted ---------------------------------------------------------------------------


def test_after_ctrl_c_the_same_command_goes_on(ask, answer, model, photos, tmp_path, interrupted):
    table, whole = tmp_path / "answers.csv", tmp_path / "whole.csv"
    assert ask(model, photos, "--csv", whole)[0] == 0
    batches = interrupted()
    status, out, lines = ask(model, photos, "--csv", table)
    assert (status, out) == (130, "")
    assert lines[-1] == f"Stopped; what is done is in {table}. The same command goes on from there."
    assert len(paths_of(table)) == 2 * BATCH
    said = answer(model, photos, "--csv", table)
    assert batches == [BATCH, BATCH, 40 - 2 * BATCH]
    assert table.read_bytes() == whole.read_bytes()
    assert [row["path"] for row in said["predictions"]] == paths_of(whole)


def test_ctrl_c_leaves_a_whole_json_object(ask, model, photos, interrupted):
    interrupted()
    status, out, lines = ask(model, photos, "--json")
    assert status == 130
    assert 0 < len(json.loads(out)["predictions"]) < 40
    assert lines[-1] == "Stopped; with --csv FILE the same command would go on from there."


def test_another_model_does_not_go_on(ask, model, photos, tmp_path, interrupted):
    table = tmp_path / "answers.csv"
    interrupted()
    assert ask(model, photos, "--csv", table)[0] == 130
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "classes": ["a", "b", "c"]}))
    status, out, lines = ask(model, photos, "--csv", table)
    assert (status, out, len(lines)) == (1, "", 1)
    assert "was begun with another classifier" in lines[0]


# --- thousands -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Memory:
    """What a process has in memory: all of it, and what is no part of a file such as a library."""

    resident_bytes: int
    own_bytes: int


class Command:
    """``predict`` into a table, in a process of its own."""

    def __init__(self, log: Path, table: Path, *arguments: object) -> None:
        command = [sys.executable, "-m", "vitcore", "predict", *map(str, arguments), "--csv", str(table)]
        self._log, self._output, self._table = log, log.with_suffix(".out"), table
        with log.open("wb") as errors, self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=errors, env=os.environ | {"OMP_NUM_THREADS": "1"}
            )

    def memory(self) -> Memory:
        """Now; nothing once it has ended."""
        _, resident, shared, *_ = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        page_bytes = os.sysconf("SC_PAGE_SIZE")
        return Memory(int(resident) * page_bytes, (int(resident) - int(shared)) * page_bytes)

    def wait_for_rows(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self._table.exists() or self._table.read_bytes().count(b"\n") <= count:
            assert time.monotonic() < deadline, self._log.read_text()
            assert self.process.poll() is None, self._log.read_text()
            time.sleep(0.02)

    def finish(self) -> tuple[Memory, str, list[str]]:
        """Let it end: the most memory it takes from now on, what it printed, and the lines of stderr."""
        resident_bytes = own_bytes = 0
        while self.process.poll() is None:
            now = self.memory()
            own_bytes = max(own_bytes, now.own_bytes)
            # When a process ends, much of its libraries is read once more.
            if self._table.with_name(f"{self._table.name}.unfinished").exists():
                resident_bytes = max(resident_bytes, now.resident_bytes)
            time.sleep(0.05)
        assert self.process.returncode == 0, self._log.read_text()
        return Memory(resident_bytes, own_bytes), self._output.read_text(), self._log.read_text().splitlines()


@pytest.fixture
def thousands(tmp_path) -> list[Path]:
    """5000 photos in ten folders; one of a hundred is none."""
    random = np.random.default_rng(2)
    paths = [tmp_path / "many" / f"{number // 500}" / f"{number:04}.jpg" for number in range(COUNT)]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        if number % 100 == 50:
            path.write_text("no photo")
        else:
            pixels = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((160, 120)).save(path, "JPEG")
    return paths


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_5000_photos_take_no_more_memory_than_500_and_a_kill_costs_one_batch(model, thousands, tmp_path):
    bad = thousands[50::100]
    whole = tmp_path / "whole.csv"
    began = time.monotonic()
    command = Command(tmp_path / "whole.log", whole, model, tmp_path / "many")
    command.wait_for_rows(COUNT // 10)
    warm = command.memory()
    most, out, lines = command.finish()
    print(f"{COUNT} photos in {time.monotonic() - began:.1f} s; {grown(warm, most)}")
    assert most.resident_bytes - warm.resident_bytes < MOST_GROWTH_BYTES
    assert most.own_bytes - warm.own_bytes < MOST_GROWTH_BYTES
    assert out == ""
    assert paths_of(whole) == list(map(str, thousands))
    assert [line.split(":")[0] for line in lines[-21:-1]] == [f"skipped {path}" for path in bad[:20]]
    assert lines[-1] == f"and 30 more, all in {whole}"

    table = tmp_path / "killed.csv"
    command = Command(tmp_path / "killed.log", table, model, tmp_path / "many")
    command.wait_for_rows(COUNT // 2)
    command.process.send_signal(signal.SIGKILL)
    command.process.wait()
    there = len(read_predictions(table)[0])
    written = table.read_bytes().count(b"\n") - 1
    assert COUNT // 2 - BATCH <= there <= written <= there + BATCH
    for path in thousands[:there]:
        path.write_text("spoilt since")  # done again, it would be refused

    began = time.monotonic()
    most, out, lines = Command(tmp_path / "on.log", table, model, tmp_path / "many", "--json").finish()
    print(f"killed at {written} rows, {there} kept; the rest in {time.monotonic() - began:.1f} s; ", end="")
    print(grown(warm, most))
    assert lines[0] == f"predict: {there}/{COUNT} images"
    assert most.own_bytes - warm.own_bytes < MOST_GROWTH_BYTES
    assert table.read_bytes() == whole.read_bytes()
    said = json.loads(out)
    assert [row["path"] for row in said["predictions"]] == [str(p) for p in thousands if p not in set(bad)]
    assert [row["path"] for row in said["skipped"]] == list(map(str, bad))


def grown(warm: Memory, most: Memory) -> str:
    resident, own = most.resident_bytes - warm.resident_bytes, most.own_bytes - warm.own_bytes
    return (
        f"resident {warm.resident_bytes / 2**20:.0f} MB after {COUNT // 10}, {resident / 2**20:+.1f} MB at "
        f"most after that, {own / 2**20:+.1f} MB without libraries"
    )


def test_a_video_is_answered_at_an_interval(ask, answer, model, photos, tmp_path, monkeypatch):
    clip, table = tmp_path / "clip.mp4", tmp_path / "answers.csv"
    clip.write_bytes(video(5))
    said = answer(model, clip, photos / "02.png", "--frames", "2")
    times = [f"{tmp_path}/clip at {time}.0 s.png" for time in (0, 2, 4)]
    assert [row["path"] for row in said["predictions"]] == [*times, str(photos / "02.png")]
    assert [row.get("time_s") for row in said["predictions"]] == [0.0, 2.0, 4.0, None]
    again = answer(model, clip, photos / "02.png", "--frames", "2", "--csv", table)
    assert [(row["path"], row["label"], row.get("time_s")) for row in again["predictions"]] == [
        (row["path"], row["label"], row.get("time_s")) for row in said["predictions"]
    ]
    lines = [line.split(",") for line in table.read_text("utf-8-sig").splitlines()]
    assert [line[0] for line in lines] == ["time_s", "0.000", "2.000", "4.000", ""]
    assert lines[0][1:3] == ["path", "label"]
    assert len(answer(model, clip)["skipped"]) == 1
    assert ask(model, clip, "--frames", "often")[0] == 1

    monkeypatch.setitem(sys.modules, "av", None)
    status, out, lines = ask(model, clip, photos / "02.png", "--frames", "2")
    assert (status, len(out.splitlines())) == (0, 1)
    assert any("pip install -r requirements-video.txt" in line for line in lines)
    [skipped] = answer(model, clip, photos / "02.png", "--frames", "2")["skipped"]
    assert skipped["path"] == str(clip)
    assert "pip install -r requirements-video.txt" in skipped["reason"]
    answer(model, clip, "--frames", "2", "--csv", table)
    assert "pip install -r requirements-video.txt" in table.read_text("utf-8-sig")
