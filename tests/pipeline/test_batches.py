"""New photos that a run was asked about, with its answers."""

import csv
import io
import json
import shutil
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from tests._archives import zip_of
from tests._piles import video
from vitcore.compute import Compute
from vitcore.dataset import import_dataset, load_dataset
from vitcore.errors import ArchiveError, DatasetError, NotFoundError, Stopped
from vitcore.inference import load_classifier, set_level
from vitcore.pipeline import (
    answer_batch,
    delete_batch,
    list_batches,
    list_damaged_batches,
    load_batch,
    new_batch,
    train,
)
from vitcore.progress import Task
from vitcore.runs import delete_run, list_runs
from vitcore.sources import NamedFile
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The folder of a workspace that is made once."""
    return tmp_path_factory.mktemp("batches") / "home"


@pytest.fixture
def run(home, workspace, picture_folder, tiny_backbone):
    """Of three classes, one with a name that a column of the table has as well."""
    if not home.exists():
        made = Workspace(home)
        dataset = import_dataset(picture_folder(("blue", "green", "label")), workspace=made)
        train(dataset, Hyperparameters(epochs=3), compute=Compute(tiny_backbone), workspace=made)
    shutil.copytree(home, workspace.root, dirs_exist_ok=True)
    return list_runs(workspace)[0]


@pytest.fixture
def photos(picture_folder) -> list[NamedFile]:
    """One photo of each class, and a file that is none."""
    folder = picture_folder(("blue", "green", "label"), count=1, name="new")
    found = [NamedFile(f"{path.parent.name}.png", path) for path in sorted(folder.rglob("*.png"))]
    broken = folder / "broken.png"
    broken.write_text("no photo")
    return [*found[:1], NamedFile("=broken.png", broken), *found[1:]]


@pytest.fixture
def answered(run, photos):
    batch = new_batch(run, photos, "four files")
    answer_batch(batch, load_classifier(run.folder))
    return load_batch(run, batch.id)


def labels(batch) -> list[str]:
    return list(batch.answers["label"])


def test_a_batch_is_listed_with_its_answers_newest_first(run, photos, answered):
    second = new_batch(run, photos[:1], "one file")
    assert [batch.id for batch in list_batches(run)] == [second.id, answered.id]
    assert second.answers.empty
    assert not second.is_complete
    assert answered.is_complete
    assert answered.title == "four files"
    assert answered.names == ("blue.png", "=broken.png", "green.png", "label.png")


def test_the_answers_are_those_of_the_classifier(run, photos, answered):
    good = [photo.path for photo in photos if photo.name != "=broken.png"]
    expected = load_classifier(run.folder).predict(good)
    assert labels(answered) == [expected[0].label, "", *(item.label for item in expected[1:])]
    for number, item in zip((0, 2, 3), expected, strict=True):
        assert answered.probabilities(number) == pytest.approx(item.probabilities, abs=1e-8)
        assert list(answered.probabilities(number)) == list(item.probabilities)
        row = answered.answers.loc[number]
        assert row["name"] == answered.names[number]
        assert row["confidence"] == pytest.approx(item.confidence, abs=1e-8)
        assert (row["sure"], row["reason"]) == (item.sure, item.reason)
    assert answered.answers.loc[1, "error"]


def test_answering_can_be_stopped_and_goes_on_where_it_was(run, photos):
    batch = new_batch(run, photos, "stopped")
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        answer_batch(batch, load_classifier(run.folder), task=Task(stop=stop))
    assert not load_batch(run, batch.id).is_complete
    answer_batch(load_batch(run, batch.id), load_classifier(run.folder))
    assert load_batch(run, batch.id).is_complete


def test_begun_at_another_level_of_doubt_all_is_answered_at_the_present_one(run, photos, monkeypatch):
    batch = new_batch(run, photos, "level")
    stop = threading.Event()
    able = load_classifier(run.folder)
    predict, calls = able.predict_each, []

    def interrupted(images, **options):
        for number, result in enumerate(predict(images, **options)):
            yield result
            if number == 1:
                stop.set()

    monkeypatch.setattr(type(able.embedder), "batch_size", 1)
    monkeypatch.setattr(able, "predict_each", interrupted)
    with pytest.raises(Stopped):
        answer_batch(batch, able, task=Task(stop=stop))
    assert 0 < len(load_batch(run, batch.id).answers) < 4
    set_level(run.folder, 1.0)
    strict = load_classifier(run.folder)
    answer_batch(load_batch(run, batch.id), strict)
    answers = load_batch(run, batch.id).answers
    good = [photo.path for photo in photos if photo.name != "=broken.png"]
    assert answers["sure"][answers["label"] != ""].tolist() == [item.sure for item in strict.predict(good)]
    # What is complete is not answered again.
    monkeypatch.setattr(strict, "predict_each", calls.append)
    answer_batch(batch, strict)
    assert calls == []


def test_a_batch_that_cannot_be_made_leaves_nothing(run, tmp_path):
    texts = tmp_path / "texts.zip"
    texts.write_bytes(zip_of({"a.txt": b"a"}))
    with pytest.raises(ArchiveError):
        new_batch(run, [NamedFile("texts.zip", texts)], "texts")
    assert list_batches(run) == []
    assert not list((run.folder / "batches").iterdir())


def test_only_refused_files_make_a_complete_batch_without_answers(run, tmp_path):
    broken = tmp_path / "upload"
    broken.write_text("no zip")
    batch = new_batch(run, [NamedFile("photos.zip", broken)], "broken")
    answer_batch(batch, load_classifier(run.folder))
    batch = load_batch(run, batch.id)
    assert batch.is_complete
    assert batch.names == ()
    assert [name for name, _ in batch.refused] == ["photos.zip"]


def test_a_corrected_photo_is_in_the_dataset_and_can_be_taken_back(run, answered):
    before = load_dataset(run.config.dataset.id)
    changed = answered.correct(0, "brand new", before)
    assert changed.class_counts == {**before.class_counts, "brand new": 1}
    again = load_batch(run, answered.id)
    assert again.label(0) == "brand new"
    assert again.corrections[0].version == load_dataset(before.id).version
    back = again.take_back(0, changed)
    assert back.class_counts == before.class_counts
    assert load_batch(run, answered.id).corrections == {}


def test_corrections_by_several_people_at_once_are_all_kept(run, answered):
    before = load_dataset(run.config.dataset.id)
    begin = threading.Barrier(2)

    def work(number: int) -> None:
        seen = load_batch(run, answered.id)
        assert seen.corrections == {}
        begin.wait()
        seen.correct(number, "brand new", before)

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = load_dataset(before.id)
    assert after.class_counts == {**before.class_counts, "brand new": 2}
    corrections = load_batch(run, answered.id).corrections
    assert {corrections[number].version for number in (0, 2)} == {2, 3}


def test_a_photo_that_was_corrected_elsewhere_is_not_added_again(run, answered):
    data = load_dataset(run.config.dataset.id)
    seen = load_batch(run, answered.id)
    assert seen.corrections == {}
    answered.correct(0, "blue too", data)
    with pytest.raises(DatasetError, match="corrected already, to 'blue too'"):
        seen.correct(0, "green too", data)
    assert load_dataset(data.id).version == data.version + 1


def test_a_correction_that_the_dataset_refuses_is_not_kept(run, answered):
    with pytest.raises(DatasetError, match="no name"):
        answered.correct(0, " " * 3, load_dataset(run.config.dataset.id))
    assert load_batch(run, answered.id).corrections == {}


def test_the_table_for_spreadsheets_has_one_row_per_photo(answered):
    rows = list(csv.reader(io.StringIO(answered.to_csv().decode("utf-8-sig"), newline="")))
    head = ["file", "answer", "label", "confidence", "sure", "reason", "corrected", "error"]
    assert rows[0] == [*head, "blue", "green", "label"]
    assert [row[0] for row in rows[1:]] == ["blue.png", "'=broken.png", "green.png", "label.png"]
    assert [rows[place][1] for place in (1, 3, 4)] == [answered.answer(number) for number in (0, 2, 3)]
    assert [row[2] for row in rows[1:]] == labels(answered)
    broken = rows[2]
    assert broken[1] == ""
    assert broken[7]
    assert broken[8:] == ["", "", ""]
    shares = [float(value) for value in rows[1][8:]]
    assert sum(shares) == pytest.approx(1, abs=1e-6)
    assert max(shares) == pytest.approx(float(rows[1][3]))


def test_plain_values_are_those_of_the_command_line(run, answered):
    answered.correct(2, "blue", load_dataset(run.config.dataset.id))
    found = json.loads(json.dumps(load_batch(run, answered.id).to_dict()))
    assert [item["file"] for item in found["predictions"]] == ["blue.png", "green.png", "label.png"]
    assert [item["corrected"] for item in found["predictions"]] == ["", "blue", ""]
    assert [item["file"] for item in found["skipped"]] == ["=broken.png"]
    assert set(found["predictions"][0]["probabilities"]) == set(run.classes)


def test_sorted_photos_lie_in_the_folder_of_what_they_show(run, answered, tmp_path):
    answered.correct(0, "a/b:c", load_dataset(run.config.dataset.id))
    batch = load_batch(run, answered.id)
    file = tmp_path / "sorted.zip"
    batch.write_sorted(file, unsure_apart=False)
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        assert archive.read("a_b_c/blue.png") == batch.photo(0).read_bytes()
    assert names == ["a_b_c/blue.png", f"{labels(batch)[2]}/green.png", f"{labels(batch)[3]}/label.png"]


def test_unsure_photos_go_to_a_folder_of_their_own(answered, tmp_path):
    answered.answers["sure"] = [True, False, False, False]
    file = tmp_path / "sorted.zip"
    answered.write_sorted(file, unsure_apart=True)
    with zipfile.ZipFile(file) as archive:
        folders = [Path(name).parent.name for name in archive.namelist()]
    assert folders == [labels(answered)[0], "not sure", "not sure"]


def test_photos_of_one_name_do_not_replace_each_other(run, photos, tmp_path):
    twins = [NamedFile(f"{folder}/same.PNG", photos[0].path) for folder in "abc"]
    batch = new_batch(run, twins, "twins")
    answer_batch(batch, load_classifier(run.folder))
    file = tmp_path / "sorted.zip"
    load_batch(run, batch.id).write_sorted(file, unsure_apart=False)
    with zipfile.ZipFile(file) as archive:
        assert [Path(name).name for name in archive.namelist()] == [
            "same.PNG",
            "same (2).PNG",
            "same (3).PNG",
        ]


@pytest.mark.parametrize("batch_id", ["", "..", "../..", "none", "A" * 100])
def test_a_batch_that_is_not_there(run, batch_id):
    with pytest.raises(NotFoundError):
        load_batch(run, batch_id)


def test_a_damaged_batch_is_not_listed(run, photos, answered):
    other = new_batch(run, photos[:1], "damaged")
    (other.folder / "about.json").write_text("{}")
    assert [batch.id for batch in list_batches(run)] == [answered.id]
    assert "drop the photos again" in str(list_damaged_batches(run)[other.id])
    delete_batch(run, other.id)
    assert (list_damaged_batches(run), other.folder.exists()) == ({}, False)


def test_a_forgotten_batch_is_gone_and_those_of_a_deleted_run_with_it(run, photos, answered):
    other = new_batch(run, photos[:1], "other")
    delete_batch(run, other.id)
    assert [batch.id for batch in list_batches(run)] == [answered.id]
    delete_run(run.id)
    assert list_batches(run) == []


def test_a_video_is_answered_picture_by_picture_with_their_times(run, photos, tmp_path):
    clip = tmp_path / "clip"
    clip.write_bytes(video(5))
    sources = [NamedFile("clip.mp4", clip), NamedFile("damaged.mp4", photos[1].path), photos[0]]
    made = new_batch(run, sources, "clip.mp4", interval_s=2)
    assert made.names[:3] == ("clip at 0.0 s.png", "clip at 2.0 s.png", "clip at 4.0 s.png")
    assert made.times_s == (0, 2, 4, None)
    ((name, reason),) = made.refused
    assert name == "damaged.mp4"
    assert "a video that cannot be read" in str(reason)
    answer_batch(made, load_classifier(run.folder))
    answered = load_batch(run, made.id)
    expected = load_classifier(run.folder).predict([answered.photo(number) for number in range(4)])
    assert labels(answered) == [answer.label for answer in expected]
    header, *rows = csv.reader(io.StringIO(answered.to_csv().decode("utf-8-sig")))
    assert header[:3] == ["time_s", "file", "answer"]
    assert [row[0] for row in rows] == ["0.0", "2.0", "4.0", "", ""]
    assert [row["time_s"] for row in answered.to_dict()["predictions"]] == [0, 2, 4, None]
    assert not (made.folder / "photos" / "000000.video").exists()


def test_a_video_without_a_reader_says_how_to_install_it(run, photos, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    made = new_batch(run, [NamedFile("clip.mp4", photos[1].path), photos[0]], "clip.mp4", interval_s=2)
    assert made.names == (photos[0].name,)
    assert "pip install -r requirements-video.txt" in str(made.refused[0][1])
