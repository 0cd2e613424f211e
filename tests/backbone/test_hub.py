"""The model hub, each way in which it fails, and what a user gets then."""

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import filelock
import numpy as np
import pytest
import safetensors.torch

from tests._hub import (
    Hub,
    hang_up,
    login_elsewhere,
    login_page,
    part,
    part_then_silence,
    refusal,
    serving,
    silence,
    use_in_place_of_the_hub,
    whole_again,
)
from tests.backbone.conftest import CPU, random_state
from vitcore.backbone import Embedder, model_hub_problem, resolve_backbone
from vitcore.errors import BackboneError, Stopped
from vitcore.progress import Progress, Task

NAME = "test_vit.r160_in1k"
REPOSITORY = f"timm/{NAME}"
KEPT = f"models--timm--{NAME}"
GATED = {"X_Error_Code": "GatedRepo", "X_Error_Message": "Access to model timm/x is restricted."}


@pytest.fixture(scope="session")
def weights() -> bytes:
    """The weights of a small network, 1.5 MB, as the hub has them."""
    return safetensors.torch.save(random_state("test_vit", num_classes=1000))


@pytest.fixture
def use_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Directs the library to an address, without patience, proxies, a token or anything in the cache."""
    import huggingface_hub

    def use(endpoint: str) -> None:
        use_in_place_of_the_hub(endpoint, tmp_path / "hub", monkeypatch)

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_ETAG_TIMEOUT", 0.4)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.4)
    monkeypatch.setattr("vitcore.backbone._download.PAUSE_S", 0.0)
    monkeypatch.setattr("vitcore.backbone._weights.AUTO_PATIENCE_S", 0.4)
    monkeypatch.setattr("vitcore.backbone._weights.AUTO", NAME)
    huggingface_hub.close_session()  # what it remembers of proxies
    yield use
    huggingface_hub.close_session()


@pytest.fixture
def hub(weights: bytes, use_hub: Callable[[str], None]) -> Iterator[Hub]:
    """A hub that answers, and is the one that the library asks."""
    with serving(weights) as hub:
        use_hub(hub.url)
        yield hub


def blobs(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "hub").glob(f"{KEPT}/blobs/*"))


# --- it works ----------------------------------------------------------------------------------


def test_a_backbone_is_downloaded_kept_and_computes(hub, tmp_path, weights):
    backbone = resolve_backbone(NAME)
    vectors = Embedder(backbone, CPU).embed(np.zeros((1, 160, 160, 3), dtype=np.uint8))
    assert (backbone.weights_file.read_bytes(), vectors.shape) == (weights, (1, 128))
    assert (backbone.weights_sha256, blobs(tmp_path)) == (hub.digest, [hub.digest])
    hub.requests.clear()
    assert resolve_backbone(NAME) == backbone
    assert hub.requests == []


@pytest.mark.usefixtures("hub")
def test_auto_downloads_what_it_prefers():
    assert resolve_backbone("auto").spec.id == NAME


def test_the_token_goes_to_the_hub_and_no_further(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    resolve_backbone(NAME)
    [bytes_from_elsewhere] = hub.downloads
    asked = [headers for method, _, headers in hub.requests if method == "HEAD"]
    assert "authorization" not in {name.lower() for name in bytes_from_elsewhere}
    assert all("Bearer hf_secret" in headers.values() for headers in asked)


@pytest.mark.usefixtures("hub")
def test_progress_is_in_megabytes(weights):
    seen: list[Progress] = []
    resolve_backbone(NAME, task=Task(seen.append))
    steps = [(progress.done, progress.total) for progress in seen if progress.phase == "download"]
    total = -(-len(weights) // 1_000_000)
    assert (steps[0], steps[-1]) == ((0, total), (total, total))
    assert {progress.unit for progress in seen} == {"MB"}
    assert seen[-1].per_second > 0


def test_a_proxy_is_used(weights, use_hub, monkeypatch):
    with serving(weights) as proxy:
        use_hub("http://hub.example")
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert resolve_backbone(NAME).weights_sha256 == proxy.digest


# --- it fails ----------------------------------------------------------------------------------


def asked(misbehave):
    return lambda hub, _use, _patch: setattr(hub, "asked", misbehave)


def fetched(*misbehave):
    return lambda hub, _use, _patch: setattr(hub, "fetched", list(misbehave))


def nobody(_hub, use, _patch):
    use("http://127.0.0.1:9")  # the port for what is thrown away; nobody listens there


def through_a_proxy(hub, use, patch):
    use("https://hub.example")
    patch.setenv("HTTPS_PROXY", hub.url)


def no_address(_hub, use, _patch):
    use("http://[::1")


def offline(_hub, _use, patch):
    patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def damaged(hub, _use, _patch):
    hub.sent = [hub.content[:500_000] + bytes(400) + hub.content[500_400:]]


def full_disk(_hub, _use, patch):
    def no_room(*_):
        raise OSError(28, "No space left on device")

    patch.setattr("vitcore.backbone._download._Megabytes.reach", no_room)


CASES = {
    "401, not signed in": (asked(refusal(401)), "does not accept your token, or wants one", "hf auth login"),
    "401, licence": (
        asked(refusal(401, **GATED)),
        "licence must be accepted",
        f"accept it at .*{REPOSITORY}",
    ),
    "403, licence": (asked(refusal(403, **GATED)), "Access to model timm/x is restricted", "hf auth login"),
    "403": (asked(refusal(403, X_Error_Message="Not from here.")), r"status 403: Not from here", "browser"),
    "404, no such model": (
        asked(refusal(404, X_Error_Code="RepoNotFound")),
        "not exist, or is",
        "check the name",
    ),
    "404": (asked(refusal(404)), "has no file model.safetensors", "check the name"),
    "404, no such file": (asked(refusal(404, X_Error_Code="EntryNotFound")), "has no file", "check the name"),
    "429": (asked(refusal(429, Retry_After="86400")), "too many requests", "again in 86,400 s"),
    "500": (asked(refusal(500)), "fault of its own .status 500", "again later"),
    "503": (asked(refusal(503, Retry_After="86400")), "fault of its own .status 503", "again later"),
    "503, of the bytes": (fetched(refusal(503)), "fault of its own .status 503", "again later"),
    "403, of the bytes": (fetched(refusal(403)), "status 403", "browser"),
    "login page": (asked(login_page), "does not answer as a model hub does", "sign in to this network"),
    "redirect to one": (
        asked(login_elsewhere),
        "does not answer as a model hub does",
        "sign in to this network",
    ),
    "login page, of the bytes": (
        fetched(login_page),
        "does not answer as a model hub does",
        "sign in to this network",
    ),
    "silence": (asked(silence), "does not answer", "try again later"),
    "silence in the middle": (
        fetched(part_then_silence(1_100_000)),
        "the download stalled after 1 of 2 MB",
        "resumes there",
    ),
    "hangs up": (asked(hang_up), "cannot be reached", "connect to the internet"),
    "cut each time": (fetched(part(1_100_000), hang_up), "broke after 1 of 2 MB", "resumes there"),
    "no network": (nobody, "cannot be reached", "connect to the internet"),
    "proxy refuses": (through_a_proxy, "proxy refuses the connection", "HTTPS_PROXY"),
    "no address": (no_address, "is not the address", "HF_ENDPOINT"),
    "HF_HUB_OFFLINE": (offline, "HF_HUB_OFFLINE is set", "copy the folder"),
    "damaged on the way": (damaged, "arrived damaged twice", "another network"),
    "full disk": (full_disk, "No space left on device in", "HF_HOME"),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request, hub, use_hub, monkeypatch):
    prepare, why, remedy = request.param
    prepare(hub, use_hub, monkeypatch)
    began = time.monotonic()
    yield why, remedy
    assert time.monotonic() - began < 2


@pytest.mark.usefixtures("embedded")
def test_auto_takes_the_embedded_weights_and_says_why(case):
    backbone = resolve_backbone("auto")
    assert backbone.spec.id == "embedded"
    assert re.search(
        f"^The backbone is .* because {NAME} could not be downloaded: .*{case[0]}", str(backbone.note)
    )


def test_a_named_backbone_is_refused_in_one_sentence_that_says_what_to_do(case):
    why, remedy = case
    with pytest.raises(BackboneError) as refused:
        resolve_backbone(NAME)
    expected = f"'{NAME}' cannot be downloaded: .*{why}.*; .*{remedy}.*, or choose 'embedded'."
    assert re.fullmatch(expected, str(refused.value))


def test_what_is_wrong_with_the_hub_can_be_asked_for(hub):
    assert model_hub_problem() is None
    hub.asked = login_page
    assert "does not answer as a model hub does" in str(model_hub_problem())


# --- it breaks, and goes on --------------------------------------------------------------------


def ranges(hub: Hub) -> list[str | None]:
    return [headers.get("Range") for headers in hub.downloads]


def test_a_connection_that_breaks_is_made_again_where_it_was(hub, weights):
    hub.fetched = [part(600_000), part(500_000), None]
    assert resolve_backbone(NAME).weights_file.read_bytes() == weights
    assert ranges(hub) == [None, "bytes=600000-", "bytes=1100000-"]


def test_a_later_download_goes_on_where_an_earlier_one_ended(hub, tmp_path, weights):
    hub.fetched = [part(600_000), hang_up]
    with pytest.raises(BackboneError, match="broke after 0 of 2 MB"):
        resolve_backbone(NAME)
    assert blobs(tmp_path) == [f"{hub.digest}.incomplete"]
    hub.fetched, hub.requests = [None], []
    assert resolve_backbone(NAME).weights_file.read_bytes() == weights
    assert (ranges(hub), blobs(tmp_path)) == (["bytes=600000-"], [hub.digest])


def test_a_server_that_always_sends_everything_is_heard_from_the_start(hub, weights):
    hub.fetched = [part(600_000), whole_again]
    assert resolve_backbone(NAME).weights_file.read_bytes() == weights


def test_a_part_that_is_not_of_this_file_is_thrown_away(hub, tmp_path, weights):
    blob = tmp_path / "hub" / KEPT / "blobs" / f"{hub.digest}.incomplete"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"?" * 600_000)
    assert resolve_backbone(NAME).weights_file.read_bytes() == weights
    assert ranges(hub) == ["bytes=600000-", None]


def test_what_arrives_damaged_is_fetched_again_once(hub, tmp_path, weights):
    hub.sent = [weights[:-400] + bytes(400), weights]
    assert resolve_backbone(NAME).weights_file.read_bytes() == weights
    assert (len(hub.downloads), blobs(tmp_path)) == (2, [hub.digest])


def test_nothing_damaged_stays_in_the_cache(hub, tmp_path, weights):
    hub.sent = [weights[:-400] + bytes(400)]
    with pytest.raises(BackboneError, match="damaged twice"):
        resolve_backbone(NAME)
    assert (len(hub.downloads), blobs(tmp_path)) == (2, [])


@pytest.mark.parametrize("linked", [True, False], ids=["linked", "copied"])
@pytest.mark.parametrize(
    "damage",
    [lambda whole: whole[:1_000_000], lambda whole: whole[:-400] + bytes(400)],
    ids=["truncated", "400 bytes changed"],
)
def test_a_damaged_file_in_the_cache_is_deleted_and_had_again(hub, weights, damage, linked):
    kept = resolve_backbone(NAME).weights_file
    if not linked:
        kept.unlink()
    kept.write_bytes(damage(weights))
    assert resolve_backbone(NAME).weights_file.read_bytes() == weights
    assert len(hub.downloads) == 1 + linked  # the blob is whole where only its copy was damaged


def test_a_damaged_file_that_cannot_be_had_again_is_refused(hub, tmp_path, weights):
    resolve_backbone(NAME).weights_file.write_bytes(weights[:-400] + bytes(400))
    hub.asked = refusal(503)
    with pytest.raises(
        BackboneError, match="was damaged and has been deleted, and the model hub reports a fault"
    ):
        resolve_backbone(NAME)
    assert blobs(tmp_path) == []


def test_what_is_missing_is_noticed_even_where_no_digest_is_left(hub, weights):
    kept = resolve_backbone(NAME).weights_file
    kept.resolve().unlink()
    kept.unlink()
    kept.write_bytes(weights[:1_000_000])
    assert resolve_backbone(NAME).weights_file.read_bytes() == weights
    assert len(hub.downloads) == 2


def test_a_blob_in_a_store_that_several_repositories_share_is_not_taken_for_damaged(hub, tmp_path):
    kept = resolve_backbone(NAME).weights_file
    store = tmp_path / "hub" / "blobs" / "ab" / ("ab" * 32)
    store.parent.mkdir(parents=True)
    blob = kept.resolve().rename(store)
    (tmp_path / "hub" / KEPT / "blobs" / hub.digest).symlink_to(blob)
    hub.requests.clear()
    resolve_backbone(NAME)
    assert hub.requests == []


@pytest.mark.parametrize("links", [True, False], ids=["with its links", "without"])
def test_a_cache_copied_to_a_machine_without_network_works(hub, tmp_path, monkeypatch, links, weights):
    resolve_backbone(NAME)
    shutil.copytree(tmp_path / "hub", tmp_path / "other", symlinks=links)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    hub.requests.clear()
    backbone = resolve_backbone("auto")
    assert (backbone.spec.id, backbone.weights_file.read_bytes()) == (NAME, weights)
    assert hub.requests == []


def test_two_that_download_the_same_do_it_once(hub, weights):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(resolve_backbone, [NAME] * 4))
    assert {backbone.weights_file.read_bytes() for backbone in found} == {weights}
    assert len(hub.downloads) == 1


# --- it is stopped -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prepare", [asked(silence), fetched(part_then_silence(1_100_000))], ids=["asking", "in the middle"]
)
def test_a_stop_ends_it_at_once_and_keeps_what_has_arrived(hub, use_hub, monkeypatch, prepare, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_ETAG_TIMEOUT", 60)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 60)
    prepare(hub, use_hub, monkeypatch)
    task = Task()
    timer = threading.Timer(0.3, task.stop.set)
    timer.start()
    began = time.monotonic()
    with pytest.raises(Stopped, match="download was stopped"):
        resolve_backbone("auto" if hub.asked is None else NAME, task=task)
    timer.join()
    assert time.monotonic() - began < 2
    assert [path.stat().st_size for path in tmp_path.glob("hub/*/blobs/*")] in ([], [1_100_000])


def test_a_stop_ends_the_wait_for_another_process(hub, tmp_path):
    lock = tmp_path / "hub" / ".locks" / KEPT / f"{hub.digest}.lock"
    lock.parent.mkdir(parents=True)
    task = Task()
    with filelock.FileLock(lock):
        timer = threading.Timer(0.2, task.stop.set)
        timer.start()
        with pytest.raises(Stopped):
            resolve_backbone(NAME, task=task)
        timer.join()
