"""The pass through the backbone on Ray: what a shard gives, and what two workers make of many."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from vitcore.backbone import Device, Embedder, resolve_backbone
from vitcore.engines import _ray, pass_for, ray_pass
from vitcore.errors import BackboneError, InputError
from vitcore.features import ImageFile, ImageView, embed_images, local_pass
from vitcore.messages import message, packed

ROOT = Path(__file__).parents[2]
CPU = Device("cpu", "CPU", "fp32")
SHARD = 8

# Ray copies its settings, some of which are deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")


class Recorder(Embedder):
    """Tells of each forward pass in a folder; if asked to, kills its process in the middle of the fifth."""

    batch_size = SHARD

    def start(self, pixels):
        folder = Path(os.environ["VITCORE_TEST_RECORD"])
        with (folder / f"{os.getpid()}.log").open("a", encoding="utf-8") as log:
            log.write(f"{hashlib.sha256(pixels.tobytes()).hexdigest()}\n")
        result = super().start(pixels)
        if (folder / "slow").exists():
            time.sleep(0.5)
        if (folder / "kill").exists() and len(passes(folder)) >= 5:
            (folder / "kill").rename(folder / "killed")
            os.kill(os.getpid(), signal.SIGKILL)
        return result


class Changed(Recorder):
    """Of another version than the one that asks."""

    fingerprint = "another"


def passes(folder: Path) -> list[str]:
    """Digests of what went through a `Recorder`, in all processes."""
    return [line for log in folder.glob("*.log") for line in log.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def record(tmp_path, monkeypatch) -> Path:
    """Where a `Recorder` of this process tells."""
    folder = tmp_path / "record"
    folder.mkdir()
    monkeypatch.setenv("VITCORE_TEST_RECORD", str(folder))
    return folder


@pytest.fixture
def embedder(tiny_backbone, record) -> Recorder:  # noqa: ARG001 - it tells there
    return Recorder(resolve_backbone(tiny_backbone), CPU)


@pytest.fixture
def views(tmp_path) -> list[ImageView]:
    """A hundred images, three of which cannot be read; one comes as bytes, one is varied."""
    random = np.random.default_rng(0)
    found = []
    for number in range(100):
        path = tmp_path / f"{number}.png"
        Image.fromarray(random.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(path)
        found.append(ImageView(source=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest()))
    found[0].source.write_bytes(b"not an image")
    found[50].source.unlink()
    strange = tmp_path / os.fsdecode(b"\xff.png")
    strange.write_bytes(b"")
    found[99] = replace(found[99], source=strange)
    found[20] = replace(found[20], source=found[20].source.read_bytes())
    found[21] = replace(found[21], number=2, augmentations=("crop", "flip"))
    return found


def taken(forward_pass, embedder, views):
    """The vectors of views, and the reasons why some have none."""
    vectors, refused, done = [], {}, []
    for batch in forward_pass(embedder, views):
        refused |= {len(done) + place: refusal.reason for place, refusal in batch.refused.items()}
        done += batch.views
        vectors.append(batch.vectors)
    assert done == views
    return np.concatenate(vectors), refused


# --- without Ray -----------------------------------------------------------------------------------


def in_this_process(embedder, shard, *, kind=None, weights=None):
    """What a worker answers to a shard, all in this process."""
    recipe = _ray._Recipe.of(embedder)
    if kind is not None:
        recipe = replace(recipe, kind=kind)
    if weights is not None:
        recipe = replace(recipe, backbone=replace(recipe.backbone, weights_file=weights))
    sent = pa.Table.from_pylist([_ray._packed(shard)], _ray._schema())
    [row] = _ray._Model(recipe, torch.get_num_threads())(_ray._decoded(sent, recipe)).to_pylist()
    return _ray._batch(embedder, shard, row)


def test_a_shard_gives_what_the_usual_pass_gives_and_gives_it_again(embedder, views):
    for first in (0, 16, 48, 96):
        shard = views[first : first + SHARD]
        [expected] = local_pass(embedder, shard)
        for _ in range(2):
            batch = in_this_process(embedder, shard)
            assert batch.views == shard
            assert np.array_equal(batch.vectors, expected.vectors)
            assert batch.refused == expected.refused


def test_a_shard_without_an_image_has_no_vectors(embedder, views):
    batch = in_this_process(embedder, [views[50]])
    assert batch.vectors.shape == (0, 128)
    assert str(batch.refused[0].reason) == "cannot be opened (No such file or directory)"


def test_a_worker_without_the_weights_says_so(embedder, views, tmp_path):
    gone = tmp_path / "gone" / "weights.safetensors"
    embedder = Recorder(replace(embedder.backbone, spec=replace(embedder.backbone.spec, id=str(gone))), CPU)
    with pytest.raises(
        BackboneError, match=r"^The worker on \S+ cannot embed: There is no weights file .*gone"
    ):
        in_this_process(embedder, views[1:3], weights=gone)


def test_a_worker_has_its_weights_at_another_place(embedder, views, tmp_path):
    [expected] = local_pass(embedder, views[1:3])
    batch = in_this_process(embedder, views[1:3], weights=tmp_path / "elsewhere.safetensors")
    assert np.array_equal(batch.vectors, expected.vectors)


def test_a_worker_with_other_weights_is_refused(embedder, views):
    other = Recorder(replace(embedder.backbone, weights_sha256="0" * 64), CPU)
    with pytest.raises(BackboneError, match=r"cannot embed: .*is not the file it should be"):
        in_this_process(other, views[1:3])
    with pytest.raises(BackboneError, match="its vectors would be others"):
        in_this_process(embedder, views[1:3], kind=Changed)


def test_images_that_only_this_machine_can_read_are_told(embedder, views):
    row = {"error": None, "vectors": b"", "reasons": [json.dumps(packed(message("cannot be opened (gone)")))]}
    assert _ray._batch(embedder, [views[50]], row).refused
    with pytest.raises(InputError, match=r"1\.png can be read here, but not on a machine of the Ray cluster"):
        _ray._batch(embedder, [views[1]], row)


def test_ray_is_given_many_shots_at_a_time_but_not_all(monkeypatch, views):
    monkeypatch.setattr(_ray, "_MOST_SHOTS", 3 * SHARD)
    waiting = iter(views)
    parts = []
    while part := _ray._shards(waiting, SHARD):
        parts.append(part)
    assert [len(part) for part in parts] == [3, 3, 3, 3, 1]
    assert [view for part in parts for shard in part for view in shard] == views
    monkeypatch.setattr(_ray, "_MOST_BYTES", 1)
    assert len(_ray._shards(iter(views[16:48]), SHARD)) == 1  # the first has the one with bytes
    assert len(_ray._shards(iter(views[24:48]), SHARD)) == 3


@pytest.mark.parametrize(
    ("cpus", "workers", "expected"),
    [
        ([2], None, (1, 1, 2)),
        ([2], 2, (2, 0.75, 1)),
        ([1], 3, (3, 0.25, 1)),
        ([16, 16], None, (2, 12, 16)),
        ([16, 4], 4, (4, 1, 2)),
    ],
)
def test_there_is_room_for_networks_and_for_decoding(monkeypatch, cpus, workers, expected):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 16)
    nodes = [{"Alive": True, "Resources": {"CPU": float(count)}} for count in cpus]
    nodes += [{"Alive": True, "Resources": {}}, {"Alive": False, "Resources": {"CPU": 1.0}}]
    room = _ray._room(SimpleNamespace(nodes=lambda: nodes), CPU, workers)
    assert (room.workers, room.actor["num_cpus"], room.threads) == expected
    assert room.workers * room.actor["num_cpus"] + room.decoder["num_cpus"] <= sum(cpus)


def test_each_gpu_gets_a_worker():
    machine = {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 2.0}}
    ray = SimpleNamespace(nodes=lambda: [machine, machine])
    gpu = Device("cuda", "GPU", "bf16")
    room = _ray._room(ray, gpu, None)
    assert (room.workers, room.actor["num_gpus"]) == (4, 1)
    assert _ray._room(ray, gpu, 3).workers == 3
    with pytest.raises(InputError, match="has 4 GPUs, and 5 workers"):
        _ray._room(ray, gpu, 5)
    with pytest.raises(InputError, match="No machine"):
        _ray._room(SimpleNamespace(nodes=list), CPU, None)


@pytest.mark.parametrize("address", ["here", "http://127.0.0.1:8265", ":6379", "127.0.0.1:x"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(InputError, match="give HOST:PORT, auto or local"):
        _ray._check(address)


def test_an_address_where_nobody_listens_is_refused_at_once():
    with pytest.raises(
        InputError, match=r"^No Ray cluster can be reached at '127\.0\.0\.1:1' \(.+\); start one"
    ):
        _ray._check("127.0.0.1:1")


def test_without_ray_there_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    message = r"^'--engine ray' needs Ray; run 'pip install -r requirements-ray\.txt'\.$"
    with pytest.raises(InputError, match=message), pass_for("ray"):
        pytest.fail("there is no Ray")


def test_other_engines_have_the_usual_pass_and_no_cluster():
    with pass_for("auto") as forward_pass:
        assert forward_pass is local_pass
    for options in ({"address": "auto"}, {"workers": 2}):
        with pytest.raises(InputError, match="the engine is torch"), pass_for("torch", **options):
            pytest.fail("there is no cluster")
    with pytest.raises(InputError, match="workers is 0; give 1 or more"), ray_pass(workers=0):
        pytest.fail("there is nobody to work")


@pytest.mark.thorough
def test_nothing_but_the_pass_imports_ray():
    script = "import sys, vitcore.engines, vitcore.cli; print('ray' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


# --- a cluster of two workers ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def ray_record(tmp_path_factory):
    """A Ray that is there already, with the folder in which its workers tell."""
    ray = pytest.importorskip("ray", reason="Ray is not installed (requirements-ray.txt)")
    folder = tmp_path_factory.mktemp("record")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VITCORE_TEST_RECORD", str(folder))  # workers have the environment of the first process
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.chdir(ROOT)  # where workers find this module
        before = signal.getsignal(signal.SIGTERM)
        ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="CRITICAL")
        yield folder
        ray.shutdown()
        signal.signal(signal.SIGTERM, before)


@pytest.fixture
def told(ray_record) -> Path:
    """The folder in which workers tell, empty."""
    for file in ray_record.iterdir():
        file.unlink()
    return ray_record


@pytest.mark.thorough
def test_vectors_and_refusals_are_the_usual_ones_in_order(told, embedder, record, views):
    expected, refused = taken(local_pass, embedder, views)
    assert sorted(refused) == [0, 50, 99]
    with ray_pass(workers=2, decoders=1) as forward_pass:
        vectors, refused_there = taken(forward_pass, embedder, views)
    assert refused_there == refused
    assert np.array_equal(vectors, expected)
    assert sorted(passes(told)) == sorted(passes(record))
    assert len(list(told.glob("*.log"))) == 2
    assert sys.modules["ray"].is_initialized()  # it was there before


@pytest.mark.thorough
def test_a_killed_worker_costs_its_shard(told, embedder, record, views):
    expected, _ = taken(local_pass, embedder, views)
    (told / "kill").touch()
    with ray_pass(workers=2) as forward_pass:
        vectors, _ = taken(forward_pass, embedder, views)
    assert (told / "killed").exists()
    assert np.array_equal(vectors, expected)
    counts = Counter(passes(told))
    assert set(counts) == set(passes(record))
    assert sorted(counts.values()) == [1] * 12 + [2]


@pytest.mark.thorough
def test_closing_early_ends_the_work(told, embedder, views):
    (told / "slow").touch()
    with ray_pass(workers=1) as forward_pass:
        with closing(forward_pass(embedder, views)) as batches:
            first = next(batches)
            started = time.monotonic()
        assert time.monotonic() - started < 10
        assert first.views == views[:SHARD]
        done = len(passes(told))
        assert done < 12
        time.sleep(1.5)
        assert len(passes(told)) == done


@pytest.mark.thorough
@pytest.mark.usefixtures("told")
def test_results_land_in_the_store(embedder, record, views):
    images = [ImageFile(view.source, view.sha256) for view in views[1:20]]
    with ray_pass(workers=2) as forward_pass:
        found = embed_images(embedder, images, views=2, forward_pass=forward_pass)
    assert found.computed == 38
    assert passes(record) == []
    assert embed_images(embedder, images, views=2).computed == 0


@pytest.mark.thorough
@pytest.mark.usefixtures("told")
def test_a_worker_that_cannot_compute_is_told(embedder, views):
    broken = Recorder(replace(embedder.backbone, weights_sha256="0" * 64), CPU)
    with (
        ray_pass(workers=1) as forward_pass,
        pytest.raises(BackboneError, match=r"The worker on \S+ cannot embed: .*is not the file it should be"),
    ):
        taken(forward_pass, broken, views[:10])


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
def test_the_command_starts_its_own_ray_and_ends_it(picture_folder, tiny_backbone, workspace, tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed (requirements-ray.txt)")
    command = [sys.executable, "-m", "vitcore", "embed", str(picture_folder()), "--backbone", tiny_backbone]
    command += ["--engine", "ray", "--workers", "2", "--json"]
    output, log = tmp_path / "stdout", tmp_path / "stderr"
    with output.open("w") as stdout, log.open("w") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, stdout=stdout, stderr=stderr)
    while process.poll() is None and not (workers := own_processes(workspace, "ray::MapWorker")):
        time.sleep(0.1)
    os.kill(workers[0], signal.SIGKILL)
    said = f"{log.read_text()}{process.wait()}"
    answer = json.loads(output.read_text())  # Ray has not told of the lost worker there
    assert (answer["engine"], answer["computed"], answer["vectors"]) == ("ray", 36, 36), said
    lines = [line for line in log.read_text().splitlines() if not line.startswith(("import:", "embed:"))]
    assert [line for line in lines if "RAY_BACKEND_LOG_LEVEL" not in line] == []
    assert own_processes(workspace, "") == []


def own_processes(workspace, name: str) -> list[int]:
    """Processes of that name that have our workspace."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title, environment = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        except OSError:
            continue  # it has ended, or is not ours
        ours = f"VITCORE_HOME={workspace.root}".encode() in environment.split(b"\0")
        if ours and title.decode(errors="replace").startswith(name):
            found.append(int(folder.name))
    return found
