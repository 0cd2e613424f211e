"""Photos are measured once, and what was measured is kept."""

import os
from threading import Event

import numpy as np
import pandas as pd
import pytest

from tests._pictures import soft_photo
from tests.audit.conftest import plain_pile, smaller
from vitcore.audit import _measures, find_issues, load_measures
from vitcore.backbone import Device, Embedder, resolve_backbone
from vitcore.dataset import add_images, exclude, restore
from vitcore.engines import EngineChoice, _choice
from vitcore.errors import ImageError, Stopped
from vitcore.progress import Task


def test_measures_are_kept(flawed, look, work_done):
    assert load_measures(flawed) is None
    first = look(flawed)
    assert first.missing(flawed) == 0
    assert work_done == {"embedded": 20, "scored": 20}
    again, loaded = look(flawed), load_measures(flawed)
    assert work_done == {"embedded": 20, "scored": 20}
    for other in (again, loaded):
        assert (other.fingerprint, other.compared) == (first.fingerprint, first.compared)
        pd.testing.assert_frame_equal(other.pairs, first.pairs)
        assert np.allclose(other.quality.loc[first.quality.index], first.quality, atol=1e-4)
    assert find_issues(flawed, loaded) == find_issues(flawed, first)


def test_only_images_that_were_added_are_measured(pile, look, work_done, tmp_path):
    dataset = pile(plain_pile())
    look(dataset)
    (tmp_path / "more" / "b").mkdir(parents=True)
    smaller(soft_photo(3)).save(tmp_path / "more" / "b" / "small.png")
    soft_photo(77).save(tmp_path / "more" / "b" / "new.png")
    dataset = add_images(dataset, tmp_path / "more")
    assert load_measures(dataset).missing(dataset) == 2
    measures = look(dataset)
    assert work_done == {"embedded": 14, "scored": 14}
    assert measures.missing(dataset) == 0
    (finding,) = find_issues(dataset, measures)
    assert finding.kind == "contradiction"


@pytest.mark.thorough
def test_taking_images_out_and_bringing_them_back_costs_nothing(pile, look, work_done):
    images = plain_pile()
    dataset = pile(images | {"a/small.png": smaller(images["a/1.png"])})
    look(dataset)
    findings = find_issues(dataset, load_measures(dataset))
    without = exclude(dataset, [findings[0].groups[0][1]])
    before = dict(work_done)
    assert find_issues(without, look(without)) == ()
    back = restore(without, [findings[0].groups[0][1]])
    assert find_issues(back, look(back)) == findings
    assert work_done == before


@pytest.mark.thorough
def test_pairs_outlive_the_exclusion_of_one_of_them_when_more_images_come(pile, look, tmp_path):
    images = plain_pile()
    dataset = pile(images | {"a/small.png": smaller(images["a/1.png"])})
    look(dataset)
    (group,) = find_issues(dataset, load_measures(dataset))[0].groups
    dataset = exclude(dataset, group[1:])
    (tmp_path / "more" / "b").mkdir(parents=True)
    soft_photo(77).save(tmp_path / "more" / "b" / "new.png")
    dataset = add_images(dataset, tmp_path / "more")
    look(dataset)
    dataset = restore(dataset, group[1:])
    assert find_issues(dataset, load_measures(dataset))[0].groups == (group,)


@pytest.mark.thorough
def test_another_backbone_compares_anew(flawed, look, work_done):
    first = look(flawed)
    second = look(flawed, precision="bf16")
    assert second.fingerprint != first.fingerprint
    assert work_done == {"embedded": 40, "scored": 20}


def test_damaged_measures_are_made_anew(pile, look):
    dataset = pile(plain_pile(2))
    for content in ("", "{", "{}", '{"revision": 0}', '{"revision": 1, "quality": 3}', "[]"):
        (dataset.folder / "measures.json").write_text(content)
        assert load_measures(dataset) is None
    assert look(dataset).missing(dataset) == 0
    assert load_measures(dataset).missing(dataset) == 0


def test_the_phases_are_told_in_order(flawed, look):
    seen = []
    look(flawed, task=Task(seen.append))
    assert list(dict.fromkeys(progress.phase for progress in seen)) == ["prepare", "embed", "check"]
    last = seen[-1]
    assert (last.done, last.total, last.unit) == (20, 20, "images")


@pytest.mark.parametrize("phase", ["embed", "check"])
def test_a_stopped_check_keeps_what_it_found(flawed, look, phase, work_done, monkeypatch):
    monkeypatch.setattr(_measures, "_CHUNK", 5)
    stop = Event()

    def on_progress(progress) -> None:
        if progress.phase == phase == "embed" and progress.done >= 5:
            stop.set()

    score = _measures._scores

    def scored(*arguments):
        if phase == "check":  # too quick for progress to be published in between
            stop.set()
        return score(*arguments)

    monkeypatch.setattr(_measures, "_scores", scored)

    with pytest.raises(Stopped):
        look(flawed, task=Task(on_progress, stop))
    before = dict(work_done)
    if phase == "check":
        assert 0 < load_measures(flawed).missing(flawed) < 20
    look(flawed)
    assert work_done["embedded"] == 20
    assert work_done["scored"] == 20
    assert before != work_done


@pytest.mark.thorough
def test_a_check_uses_the_embeddings_of_the_engine_that_suits_the_images(flawed, look, tiny_backbone):
    reduced = Device("cpu", "CPU", "bf16")

    def choose(_backbone, images, labels, compute, **_options) -> EngineChoice:
        assert (len(images), len(labels), compute.engine) == (20, 20, "auto")
        return EngineChoice(device=reduced, reason="It was the fastest.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_choice, "choose_engine", choose)
        found = look(flawed)
    assert found.fingerprint == Embedder(resolve_backbone(tiny_backbone), reduced).fingerprint


def test_an_image_that_is_gone_is_said_so(flawed, look):
    flawed.path(flawed.index["file"].iloc[3]).unlink()
    with pytest.raises(ImageError, match="import the dataset again"):
        look(flawed)


@pytest.mark.thorough
def test_measuring_prints_nothing_and_starts_no_process(flawed, look, capfd, monkeypatch):
    def no_fork() -> int:
        raise AssertionError("a process was started")

    monkeypatch.setattr(os, "fork", no_fork)
    look(flawed)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
