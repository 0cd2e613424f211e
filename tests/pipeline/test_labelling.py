"""A labelling session, with a tiny backbone: pages, provenance, what is kept, and the command line."""

import csv
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from vitcore.cli import main
from vitcore.compute import Compute
from vitcore.dataset import Dataset, import_dataset, load_dataset, undo
from vitcore.errors import DatasetError
from vitcore.layouts import Reading
from vitcore.pipeline import (
    LabelSession,
    LabelSpace,
    accept_guesses,
    embed_for_labelling,
    give_labels,
)


@pytest.fixture
def heap(picture_folder, tmp_path) -> Dataset:
    """Photos of three kinds without labels; the names say the kind, which nothing reads."""
    folder = tmp_path / "heap"
    folder.mkdir()
    for photo in picture_folder(count=16).glob("*/*"):
        photo.rename(folder / f"{photo.parent.name}-{photo.name}")
    return import_dataset(folder, reading=Reading(unlabelled=True))


@pytest.fixture
def space(heap, tiny_backbone) -> LabelSpace:
    return embed_for_labelling(heap, compute=Compute(backbone=tiny_backbone))


def true_labels(page) -> dict[int, str]:
    return dict(zip(page["image_id"], page["name"].str.partition("-")[0], strict=True))


def label_page(session: LabelSession, page) -> LabelSession:
    picked = dict(zip(page["image_id"], page["picked"], strict=True))
    dataset = give_labels(session.dataset, true_labels(page), picked=picked)
    return LabelSession(dataset=dataset, space=session.space)


def test_a_session_from_groups_to_machine_labels(heap, space):
    session = LabelSession(dataset=heap, space=space)
    assert space.covers(heap)
    assert not session.guesses
    assert session.estimate is None
    assert len(session.sure(0.5)) == 0
    assert set(session.page(6)["picked"]) == {"typical"}
    for group in session.groups(3)[:2]:
        session = label_page(session, session.shown(group.positions[:8]))
    assert session.guesses
    for _ in range(4):
        page = session.page(6)
        assert page["picked"].value_counts().to_dict() == {"teach": 5, "random": 1}
        assert set(page["image_id"]) <= set(session.rows["image_id"].to_numpy()[session.open])
        same = LabelSession(dataset=load_dataset(heap.id), space=space).page(6)
        assert page.equals(same)
        session = label_page(session, page)
    assert session.dataset.index["label_detail"].str.fullmatch(r"(group|teach|random) \d+").all()
    assert (session.answers.guess[session.open] >= 0).all()
    sure = session.sure(0.5)
    after = accept_guesses(session, sure)
    machine = after.machine_labelled
    assert dict(zip(machine["image_id"], machine["label"], strict=True)) == dict(
        zip(sure["image_id"], sure["guess"], strict=True)
    )
    assert machine["label_detail"].str.startswith(f"guess {space.fingerprint} ").all()
    assert (undo(after).unlabelled["image_id"].to_numpy() == session.dataset.unlabelled["image_id"]).all()
    # What a machine labelled is still open to a person, and teaches nothing.
    again = LabelSession(dataset=load_dataset(heap.id), space=space)
    assert len(again.open) == len(session.open)
    np.testing.assert_array_equal(again.answers.probabilities, session.answers.probabilities)


def test_a_random_page_gives_an_estimate(heap, space):
    session = LabelSession(dataset=heap, space=space)
    session = label_page(session, session.page(6))
    session = label_page(session, session.random_page(12))
    found = session.estimate
    assert found is not None
    assert (found.labels, found.at_random) == (18, 12)
    assert found.low <= found.accuracy <= found.high
    assert 0 <= session.gain(30) <= 1 - found.accuracy
    assert session.curve()["labels"].tolist() == [18]


def test_two_people_on_one_set_do_not_overwrite_each_other(heap, space):
    session = LabelSession(dataset=heap, space=space)
    page = session.page(6)
    label_page(session, page)
    with pytest.raises(DatasetError, match="changed elsewhere"):
        label_page(session, page)


def run(capsys, *arguments: str) -> dict:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_command_line_alone_labels_a_set(heap, space, tiny_backbone, tmp_path, capsys):
    session = LabelSession(dataset=heap, space=space)
    for size in (6, 6, 12, 12):
        found = run(capsys, "label", heap.id, "--suggest", str(size), "--backbone", tiny_backbone)
        page = session.page(size)
        photos = found["photos"]
        assert [photo["image_id"] for photo in photos] == page["image_id"].tolist()
        assert [photo["guess"] for photo in photos] == page["guess"].tolist()
        assert {"image_id", "path", "guess", "confidence"} <= set(photos[0])
        table = tmp_path / "labels.csv"
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image_id", "label"])
            writer.writerows([photo["image_id"], photo["path"].partition("-")[0]] for photo in photos)
        applied = run(capsys, "label", heap.id, "--apply", str(table))
        session = LabelSession(dataset=load_dataset(heap.id), space=space)
    assert (applied["labelled"], applied["unlabelled"], applied["applied"]) == (36, 12, 12)
    assert session.dataset.index["label_detail"].str.fullmatch(r"(typical|teach|random) \d+").all()


def test_the_command_line_alone_comes_as_far_as_the_page(
    heap, space, tiny_backbone, tmp_path, capsys, monkeypatch
):
    session = LabelSession(dataset=heap, space=space)
    for _ in range(4):
        session = label_page(session, session.page(8))
    # The same photos again, for a program that sees nothing of that session.
    monkeypatch.setenv("VITCORE_HOME", str(tmp_path / "another home"))
    again = import_dataset(tmp_path / "heap", reading=Reading(unlabelled=True))
    table = tmp_path / "labels.csv"
    for _ in range(4):
        found = run(capsys, "label", again.id, "--suggest", "8", "--backbone", tiny_backbone)
        labels = [f"{photo['image_id']},{photo['path'].partition('-')[0]}" for photo in found["photos"]]
        table.write_text("\n".join(["image_id,label", *labels]))
        run(capsys, "label", again.id, "--apply", str(table))
    other = LabelSession(dataset=load_dataset(again.id), space=space)
    columns = ["image_id", "label", "labelled_by", "label_detail"]
    assert other.dataset.index[columns].equals(session.dataset.index[columns])
    np.testing.assert_array_equal(other.answers.probabilities, session.answers.probabilities)
    assert other.estimate == session.estimate


LABELLING = """
import sys
from vitcore.dataset import load_dataset
from vitcore.pipeline import give_labels
dataset = load_dataset(sys.argv[1])
for image_id, name in zip(dataset.rows["image_id"].tolist(), dataset.rows["name"].tolist()):
    dataset = give_labels(dataset, {image_id: name.partition("-")[0]}, picked={image_id: "teach"})
    print(image_id, flush=True)
"""


def test_what_was_labelled_before_a_kill_is_kept(heap):
    command = [sys.executable, "-c", LABELLING, heap.id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ, text=True) as process:
        assert process.stdout is not None
        given = [int(process.stdout.readline()) for _ in range(5)]
        process.kill()
        given += [int(line) for line in process.stdout]
    assert process.returncode == -signal.SIGKILL
    after = load_dataset(heap.id)
    kept = after.index
    # The step in which it was killed may be on the disk, though it was not told of.
    assert set(given) <= set(kept["image_id"])
    assert len(kept) - len(given) in (0, 1)
    assert (kept["label"] == kept["name"].str.partition("-")[0]).all()
    assert after.version == 1 + len(kept)
    # Nothing is in the way of the next step, or of taking one back.
    [waiting, *_] = after.unlabelled["image_id"]
    step = give_labels(after, {waiting: "cup"})
    assert len(undo(step).index) == len(kept)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("image_id\n1\n", "it needs image_id and label"),
        ("image_id,label\nx,cat\n", "no numbers"),
        ("image_id,label\n1,cat\n1,dog\n", "two labels"),
        ("image_id,label\n9999,cat\n", "no image number 9,999"),
        ("image_id,label\n1,\n", "No image is chosen"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_one_sentence(heap, tmp_path, capsys, text, sentence):
    table = tmp_path / "labels.csv"
    table.write_text(text)
    assert main(["label", heap.id, "--apply", str(table), "--json"]) == 1
    assert sentence in capsys.readouterr().err
    assert load_dataset(heap.id).version == 1


def test_importing_without_labels_by_the_command_line(picture_folder, capsys):
    folder = picture_folder(classes=("DCIM",), count=3)
    found = run(capsys, "import", str(folder), "--unlabelled")
    assert (found["unlabelled"], found["classes"], found["images"]) == (3, {}, 3)
