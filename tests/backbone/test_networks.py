"""Networks that are loaded once and kept as long as there is room."""

import threading

import pytest
from torch import nn

from vitcore.backbone import Device, Embedder, _networks, resolve_backbone


@pytest.fixture(autouse=True)
def nothing_kept():
    _networks.release_networks()
    yield
    _networks.release_networks()


class Loads:
    """Counts what is loaded."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, name: str, size_bytes: int = 1) -> nn.Module:
        def load() -> nn.Module:
            self.names.append(name)
            return nn.Identity()

        return _networks.shared_network((name, "vit", 224, "cpu", "torch"), load, size_bytes)


def test_a_network_is_loaded_once():
    loads = Loads()
    assert loads("a") is loads("a")
    assert loads.names == ["a"]


def test_of_several_the_one_that_was_not_used_for_longest_goes(monkeypatch):
    monkeypatch.setattr(_networks, "MOST", 2)
    loads = Loads()
    for name in ("a", "b", "a", "c", "a", "b"):
        loads(name)
    assert loads.names == ["a", "b", "c", "b"]


def test_when_memory_is_short_others_go_first(monkeypatch):
    monkeypatch.setattr(_networks, "_available_bytes", lambda _: 2 * 2**30)
    loads = Loads()
    loads("a")
    loads("b", size_bytes=2**30 + 1)
    loads("a")
    assert loads.names == ["a", "b", "a"]


def test_where_memory_cannot_be_told_only_their_number_counts(monkeypatch):
    monkeypatch.setattr(_networks, "_available_bytes", lambda _: None)
    loads = Loads()
    loads("a")
    loads("b", size_bytes=2**60)
    loads("a")
    assert loads.names == ["a", "b"]


def test_all_but_one_can_be_let_go():
    loads = Loads()
    loads("a")
    loads("b")
    _networks.release_networks(but=("a", "vit", 224, "cpu", "torch"))
    loads("a")
    loads("b")
    assert loads.names == ["a", "b", "b"]


def test_the_memory_of_this_machine_is_told_or_is_not_known():
    found = _networks._available_bytes("cpu")
    assert found is None or found > 2**20


def test_two_threads_that_ask_at_once_get_the_same():
    loads, found = Loads(), []
    threads = [threading.Thread(target=lambda: found.append(loads("a"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads.names == ["a"]
    assert len(set(map(id, found))) == 1


def test_embedders_of_one_backbone_share_it_whatever_their_precision(tiny_backbone):
    first, second = (
        Embedder(resolve_backbone(tiny_backbone), Device("cpu", "CPU", precision))
        for precision in ("fp32", "bf16")
    )
    assert first.network is second.network
    smaller = Embedder(resolve_backbone(tiny_backbone, 64), Device("cpu", "CPU", "fp32"))
    assert smaller.network is not first.network
