"""Predicting many files into a table that survives crashes."""

import copy
import csv
import errno
import json
import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitcore.backbone import Device, Embedder, resolve_backbone
from vitcore.errors import InputError, NotFoundError, Stopped, StorageError
from vitcore.evaluation import DoubtRule, Probes
from vitcore.inference import (
    Classifier,
    PredictedFile,
    Trust,
    each_prediction,
    predict_files,
    read_predictions,
)
from vitcore.progress import Task
from vitcore.training import LinearHead

CLASSES = ("NA", "label", "owl, grey")
COLUMNS = ["path", "label", "confidence", "sure", "reason", "error"]
BATCH = 4
ODD_NAMES = ["comma, too.png", 'quo"te.png', "two\nlines.png", "\r\n.png", "=1+1.png", "ähm.png", " .png"]


class FragileEmbedder(Embedder):
    """Sees 32 pixels, four images at a time, counts them, and breaks when it is told to."""

    seen = 0
    breaks_after = sys.maxsize
    error: BaseException = ZeroDivisionError()

    @property
    def batch_size(self):
        return BATCH

    def start(self, pixels):
        if self.seen >= self.breaks_after:
            raise self.error
        self.seen += len(pixels)
        return super().start(pixels)


@pytest.fixture(scope="module")
def network(tiny_backbone) -> FragileEmbedder:
    embedder = FragileEmbedder(resolve_backbone(tiny_backbone, 32), Device("cpu", "CPU", "fp32"))
    embedder.embed(np.zeros((1, 32, 32, 3), dtype=np.uint8))  # loads the network, once for all tests
    return embedder


@pytest.fixture(autouse=True)
def fast_disk(monkeypatch):
    """Nothing here cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def classifier(network) -> Classifier:
    embedder = copy.copy(network)
    embedder.seen = 0
    random = np.random.default_rng(0)
    head = LinearHead(
        weight=random.normal(size=(3, 128)).astype(np.float32),
        bias=np.zeros(3, dtype=np.float32),
        mean=np.zeros(128, dtype=np.float32),
        std=np.ones(128, dtype=np.float32),
    )
    trust = Trust(
        temperature=4.0,
        rule=DoubtRule(masses=(0.6, 0.6), distances=(2.0, 2.0)),
        level=0.5,
        references=np.ones((2, 128), dtype=np.float16),
    )
    return Classifier(head, embedder, CLASSES, trust)


def save_picture(path: Path, number: int) -> Path:
    random = np.random.default_rng(number)
    pixels = (random.uniform(40, 215, 3) + random.normal(0, 20, (20, 30, 3))).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, "PNG")
    return path


@pytest.fixture
def files(tmp_path) -> list[Path]:
    """18 pictures, some of odd names, and among them three files that are none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    names = [*(f"{number:02}.png" for number in range(11)), *ODD_NAMES]
    if sys.platform == "linux":
        names[3] = os.fsdecode(b"no text \xff.png")
    good = [save_picture(folder / name, number) for number, name in enumerate(names)]
    text = folder / "text.png"
    text.write_text("no picture")
    return [*good[:5], text, *good[5:9], folder / "missing.png", *good[9:], folder]


@pytest.fixture
def table(tmp_path) -> Path:
    return tmp_path / "answers.csv"


@pytest.fixture
def expected(classifier, files, tmp_path) -> bytes:
    """What the table of these files is when nothing happens."""
    table = tmp_path / "expected.csv"
    predict_files(classifier, files, table)
    classifier.embedder.seen = 0
    return table.read_bytes()


def marker(table: Path) -> Path:
    return table.with_name("answers.csv.unfinished")


def crash(classifier, files, table, after: int) -> None:
    """Predict until the embedder has seen that many images and breaks."""
    classifier.embedder.breaks_after = after
    with pytest.raises(ZeroDivisionError):
        predict_files(classifier, files, table)
    classifier.embedder.breaks_after = sys.maxsize
    classifier.embedder.seen = 0


def rows_of(table: Path) -> list[list[str]]:
    with table.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.reader(file))


def texts(files: list[Path]) -> list[str]:
    return [str(path).encode("utf-8", "replace").decode() for path in files]


# --- the table -----------------------------------------------------------------------------------


def test_every_file_has_a_row_in_the_order_of_the_files(classifier, files, table):
    result = predict_files(classifier, iter(files), table)
    header, *rows = rows_of(table)
    assert header == [*COLUMNS, *CLASSES]
    assert [row[0] for row in rows] == texts(files)
    assert (result.images, result.kept, result.skipped) == (len(files), 0, 3)
    assert not marker(table).exists()
    assert classifier.embedder.seen == len(files) - 3


def test_rows_say_what_the_classifier_says(classifier, files, table):
    predict_files(classifier, files, table)
    said = dict(classifier.predict_each(files))
    for file, row in zip(files, rows_of(table)[1:], strict=True):
        result = said[file]
        if row[5]:
            assert row[1:] == ["", "", "", "", str(result.reason), "", "", ""]
            continue
        sure = "yes" if result.sure else "no"
        assert row[1:6] == [result.label, f"{result.confidence:.9g}", sure, result.reason, ""]
        assert row[6:] == [f"{result.probabilities[label]:.9g}" for label in CLASSES]
    assert {row[3] for row in rows_of(table)[1:]} == {"yes", "no", ""}


def test_the_files_that_cannot_be_used_are_told_the_first_twenty_by_name(classifier, files, tmp_path, table):
    missing = [tmp_path / f"{number}.png" for number in range(23)]
    result = predict_files(classifier, [*missing, *files], table)
    assert result.skipped == 26
    assert [row.path for row in result.first_skipped] == list(map(str, missing[:20]))
    assert result.first_skipped[0].error == "cannot be opened (No such file or directory)"


def test_no_files_make_a_table_with_a_header(classifier, table):
    assert predict_files(classifier, [], table).images == 0
    assert rows_of(table) == [[*COLUMNS, *CLASSES]]
    assert not marker(table).exists()


def test_a_complete_table_is_replaced(classifier, files, table):
    predict_files(classifier, files, table)
    classifier.embedder.seen = 0
    result = predict_files(classifier, files[:3], table)
    assert (result.images, result.kept) == (3, 0)
    assert classifier.embedder.seen == 3
    assert [row[0] for row in rows_of(table)[1:]] == texts(files[:3])


# --- going on ------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 4, 9, 14])
def test_after_a_crash_only_the_rest_is_done_and_the_table_is_the_same(
    classifier, files, table, expected, after
):
    crash(classifier, files, table, after)
    assert marker(table).exists()
    there = len(rows_of(table)) - 1
    assert there % BATCH == 0
    reports = []
    result = predict_files(classifier, files, table, total=len(files), task=Task(reports.append))
    assert table.read_bytes() == expected
    assert (result.images, result.kept, result.skipped) == (len(files), there, 3)
    assert [row.path for row in result.first_skipped] == texts([files[5], files[10], files[-1]])
    rest = [row for row in rows_of(table)[1 + there :] if not row[5]]
    assert classifier.embedder.seen == len(rest)
    assert not marker(table).exists()
    assert (reports[0].phase, reports[0].unit) == ("predict", "images")
    assert (reports[0].done, reports[-1].done) == (there, len(files))
    assert {report.total for report in reports} == {len(files)}


def test_files_that_are_done_are_not_touched_again(classifier, files, table, expected):
    crash(classifier, files, table, 11)
    there = len(rows_of(table)) - 1
    for path in files[:there]:
        path.unlink(missing_ok=True)
    predict_files(classifier, files, table)
    assert table.read_bytes() == expected


def test_any_number_of_crashes_does_no_harm(classifier, files, table, expected):
    for _ in range(4):
        crash(classifier, files, table, 3)
    predict_files(classifier, files, table)
    assert table.read_bytes() == expected


@pytest.mark.parametrize("torn", [b"/photos/0", b'"two\nlines', b"\r\n", b"\xff\xfe", b'"a\r\nb",c\r\nd,"'])
def test_what_follows_the_last_whole_batch_is_cut_off(classifier, files, table, expected, torn):
    crash(classifier, files, table, 9)
    there = len(rows_of(table)) - 1
    with table.open("ab") as file:
        file.write(torn)
    assert len(read_predictions(table)[0]) == there
    assert predict_files(classifier, files, table).kept == there
    assert table.read_bytes() == expected


def test_a_crash_between_the_first_mark_and_the_header_starts_over(classifier, files, table, expected):
    crash(classifier, files, table, 0)
    about = json.loads(marker(table).read_text())
    marker(table).write_text(json.dumps({**about, "bytes": 0}))
    table.write_bytes(b"path,la")
    assert read_predictions(table)[0].empty
    assert predict_files(classifier, files, table).kept == 0
    assert table.read_bytes() == expected


def test_a_table_that_somebody_deleted_is_started_over(classifier, files, table, expected):
    crash(classifier, files, table, 9)
    table.unlink()
    assert predict_files(classifier, files, table).kept == 0
    assert table.read_bytes() == expected


def test_what_a_crash_left_of_a_mark_is_cleared_away(classifier, files, table, tmp_path):
    crash(classifier, files, table, 9)
    left = tmp_path / ".tmp-1234abcd-answers.csv.unfinished"
    left.write_text("{")
    predict_files(classifier, files, table)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["answers.csv"]


def test_files_that_came_or_went_are_added_or_kept(classifier, files, table):
    pictures = files[:5]
    crash(classifier, [pictures[0], pictures[1], pictures[0], pictures[2], pictures[3]], table, 4)
    wanted = [pictures[0], pictures[4], pictures[0], pictures[0], pictures[3], pictures[2], pictures[3]]
    result = predict_files(classifier, wanted, table)
    # The second, third and fourth rows were made for pictures 1, 0 and 2.
    added = [pictures[4], pictures[0], pictures[3], pictures[3]]
    assert [row[0] for row in rows_of(table)[1:]] == texts([*pictures[:2], pictures[0], pictures[2], *added])
    assert (result.kept, classifier.embedder.seen) == (4, len(added))


def test_fewer_files_than_rows_add_nothing(classifier, files, table):
    crash(classifier, files, table, 9)
    there = rows_of(table)
    result = predict_files(classifier, files[:2], table)
    assert rows_of(table) == there
    assert result.images == result.kept == len(there) - 1
    assert classifier.embedder.seen == 0


def test_it_can_be_asked_to_stop_and_keeps_what_it_has(classifier, files, table, expected):
    stop = threading.Event()

    def on_progress(progress):
        if progress.done >= 8:
            stop.set()

    with pytest.raises(Stopped, match="Stopped after 8 images, which are kept"):
        predict_files(classifier, files, table, task=Task(on_progress, stop))
    assert len(rows_of(table)) == 1 + 8
    with pytest.raises(Stopped, match="Stopped after 8 images"):
        predict_files(classifier, files, table, task=Task(stop=stop))
    assert predict_files(classifier, files, table, task=Task(stop=threading.Event())).kept == 8
    assert table.read_bytes() == expected


def test_progress_without_a_total_counts_images(classifier, files, table):
    reports = []
    predict_files(classifier, files, table, task=Task(reports.append))
    assert [report.done for report in reports] == [4, 8, 12, 16, 20, 21]
    assert {(report.phase, report.total, report.remaining_s) for report in reports} == {("predict", 0, None)}


# --- what is refused -----------------------------------------------------------------------------


def other_head(classifier):
    return Classifier(
        replace(classifier.head, bias=classifier.head.bias + 1),
        classifier.embedder,
        classifier.classes,
        classifier.trust,
    )


def other_classes(classifier):
    return Classifier(classifier.head, classifier.embedder, ("a", "b", "c"), classifier.trust)


def other_level(classifier):
    return Classifier(classifier.head, classifier.embedder, classifier.classes, classifier.trust.at(0.9))


def other_probes(classifier):
    probes = Probes(weights=np.ones((1, 128), np.float32), offsets=np.zeros(1, np.float32))
    trust = replace(classifier.trust, probes=probes)
    return Classifier(classifier.head, classifier.embedder, classifier.classes, trust)


def other_backbone(classifier):
    embedder = Embedder(classifier.embedder.backbone, Device("cpu", "CPU", "bf16"))
    return Classifier(classifier.head, embedder, classifier.classes, classifier.trust)


@pytest.mark.parametrize("other", [other_head, other_classes, other_level, other_probes, other_backbone])
def test_another_classifier_does_not_go_on(classifier, files, table, expected, other):
    crash(classifier, files, table, 9)
    before = table.read_bytes()
    with pytest.raises(
        InputError, match=r"answers\.csv was begun with another classifier.*give another file"
    ):
        predict_files(other(classifier), files, table)
    assert table.read_bytes() == before
    predict_files(classifier, files, table)
    assert table.read_bytes() == expected
    predict_files(other(classifier), files[:1], table)  # it is complete now
    assert len(rows_of(table)) == 2


@pytest.mark.parametrize("keep", [10, -3])
def test_a_table_that_was_cut_is_not_gone_on_with(classifier, files, table, keep):
    crash(classifier, files, table, 9)
    table.write_bytes(table.read_bytes()[:keep])
    with pytest.raises(StorageError, match=r"answers\.csv was changed since it was begun.*delete it"):
        predict_files(classifier, files, table)


@pytest.mark.parametrize(
    "change", [(b",no,", b";no;"), (b"path,", b"file,"), (b".png", b".p\xfeg"), (b"0.", b"x.")]
)
def test_a_table_that_was_edited_is_not_gone_on_with(classifier, files, table, change):
    crash(classifier, files, table, 9)
    before = table.read_bytes()
    table.write_bytes(before.replace(*change))
    assert table.read_bytes() != before
    with pytest.raises(StorageError, match=r"answers\.csv was changed since it was begun"):
        predict_files(classifier, files, table)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"classifier": "x", "bytes": "many"}'])
def test_a_damaged_mark_is_a_storage_error_that_says_what_to_do(classifier, files, table, content):
    crash(classifier, files, table, 9)
    marker(table).write_text(content)
    with pytest.raises(StorageError, match=r"unfinished is damaged .* delete it"):
        predict_files(classifier, files, table)
    marker(table).unlink()
    assert predict_files(classifier, files, table).kept == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no flock on Windows")
def test_two_do_not_write_one_table(classifier, files, table):
    refused = []

    def on_progress(_):
        with pytest.raises(InputError, match="being written by somebody else") as caught:
            predict_files(classifier, files, table)
        refused.append(caught.value)

    predict_files(classifier, files, table, task=Task(on_progress))
    assert len(refused) == 6
    assert len(rows_of(table)) == 1 + len(files)


def test_what_cannot_be_a_table_is_refused(classifier, files, tmp_path):
    with pytest.raises(InputError, match="is not a file"):
        predict_files(classifier, files, tmp_path)
    with pytest.raises(StorageError, match=r"answers\.csv cannot be written \(No such file or directory\)"):
        predict_files(classifier, files, tmp_path / "no" / "answers.csv")


def test_a_full_disk_keeps_what_was_written_before(classifier, files, table, expected, monkeypatch):
    with monkeypatch.context() as patch:
        flushed = []

        def full(descriptor):
            flushed.append(descriptor)
            if len(flushed) > 8:
                raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(os, "fsync", full)
        with pytest.raises(
            StorageError, match=r"cannot be written \(No space left on device\); free some space"
        ):
            predict_files(classifier, files, table)
    there = len(read_predictions(table)[0])
    assert 0 < there < len(files)
    assert predict_files(classifier, files, table).kept == there
    assert table.read_bytes() == expected


# --- reading -------------------------------------------------------------------------------------


def test_rows_come_back_as_they_were(classifier, files, table):
    predict_files(classifier, files, table)
    answers, probabilities = read_predictions(table)
    assert list(answers.columns) == COLUMNS
    assert list(probabilities.columns) == list(CLASSES)
    assert list(answers["path"]) == texts(files)
    assert answers["confidence"].dtype == probabilities["NA"].dtype == np.float64
    assert answers["sure"].dtype == np.bool_
    bad = answers["error"] != ""
    assert list(answers.index[bad]) == [5, 10, len(files) - 1]
    assert answers["confidence"].isna().tolist() == bad.tolist()
    assert probabilities.isna().all(axis=1).tolist() == bad.tolist()
    assert set(answers["label"]) <= {*CLASSES, ""}
    assert "NA" in set(answers["label"])
    np.testing.assert_allclose(probabilities[~bad].sum(axis=1), 1, atol=1e-8)
    np.testing.assert_array_equal(probabilities[~bad].max(axis=1), answers["confidence"][~bad])


def test_rows_in_the_middle_can_be_read_alone(classifier, files, table):
    predict_files(classifier, files, table)
    whole = read_predictions(table)
    for start, count in ((0, 3), (4, 5), (18, 100), (100, 1), (7, None)):
        stop = None if count is None else start + count
        for part, all_rows in zip(read_predictions(table, start, count), whole, strict=True):
            assert part.equals(all_rows.iloc[start:stop])
            assert list(part.index) == list(all_rows.index[start:stop])
    assert read_predictions(table, 100)[0].dtypes.equals(whole[0].dtypes)


def test_rows_come_one_by_one_as_they_were_said(classifier, files, table):
    predict_files(classifier, files, table)
    for row, (path, result) in zip(each_prediction(table), classifier.predict_each(files), strict=True):
        said = PredictedFile.of(path, result)
        assert (row.path, row.label, row.sure, row.reason, row.error) == (
            said.path, said.label, said.sure, said.reason, said.error
        )  # fmt: skip
        assert list(row.probabilities) == list(said.probabilities)
        assert row.probabilities == pytest.approx(said.probabilities, abs=1e-8)
        assert row.confidence == pytest.approx(said.confidence, abs=1e-8, nan_ok=True)


def test_an_unfinished_table_can_be_read(classifier, files, table):
    table.touch()  # as it is for a moment
    answers, probabilities = read_predictions(table)
    assert list(answers.columns) == COLUMNS
    assert answers.empty
    assert probabilities.empty
    crash(classifier, files, table, 9)
    assert list(read_predictions(table)[0]["path"]) == texts(files[: len(rows_of(table)) - 1])


@pytest.mark.parametrize(
    "content",
    [
        b"file,label\na,b\n",
        b"\x89PNG\r\n\x1a\n\0",
        b"path,label,confidence,sure,reason,error,a\nx\n",
        b"path,label,confidence,sure,reason,error,a\nx,a,high,yes,,,0.5\n",
        b'path,label,confidence,sure,reason,error,a\n"x',
    ],
)
def test_another_file_is_no_table(table, content):
    table.write_bytes(content)
    with pytest.raises(InputError, match="is no table of predictions"):
        read_predictions(table)
    with pytest.raises(InputError, match="is no table of predictions"):
        list(each_prediction(table))


def test_a_table_that_is_not_there_is_not_found(table):
    with pytest.raises(NotFoundError, match="There are no predictions"):
        read_predictions(table)


# --- letting go ----------------------------------------------------------------------------------


@pytest.mark.parametrize("interrupted", [False, True])
def test_images_that_wait_are_let_go_of_when_nobody_wants_them(
    classifier, tmp_path, interrupted, monkeypatch
):
    monkeypatch.setattr(FragileEmbedder, "batch_size", 64)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    picture = save_picture(tmp_path / "picture.png", 0)
    prepare, loaded = classifier.embedder.prepare, []

    def slow(image):
        loaded.append(image)
        time.sleep(0.05 if len(loaded) > 64 else 0)
        return prepare(image)

    monkeypatch.setattr(classifier.embedder, "prepare", slow)
    results = classifier.predict_each([picture] * 1000)
    if interrupted:
        classifier.embedder.breaks_after, classifier.embedder.error = 0, KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            next(results)
    else:
        next(results)
        results.close()
    assert 64 <= len(loaded) < 128
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("vitcore-decode")]


def test_names_that_look_like_formulas_are_harmless_in_the_table_and_come_back(
    classifier, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    names = [Path("=1+1.png"), Path("-2.png"), Path("'@x.png")]
    for number, name in enumerate(names):
        save_picture(name, number)
    classes = ("=cmd", "+a", "'-b")
    plain = Classifier(classifier.head, classifier.embedder, classes, classifier.trust)
    predict_files(plain, names, Path("answers.csv"))
    assert Path("answers.csv").read_bytes().startswith(b"\xef\xbb\xbfpath,")
    header, *rows = rows_of(Path("answers.csv"))
    assert header[6:] == ["'=cmd", "'+a", "''-b"]
    assert [row[0] for row in rows] == ["'=1+1.png", "'-2.png", "''@x.png"]
    back = list(each_prediction(Path("answers.csv")))
    assert [row.path for row in back] == list(map(str, names))
    assert {row.label for row in back} <= set(classes)
    assert set(back[0].probabilities) == set(classes)
    classifier.embedder.seen = 0
    result = predict_files(plain, names, Path("answers.csv"))
    assert (result.images, result.kept) == (3, 0)


def test_a_table_of_an_earlier_version_has_no_mark(classifier, files, table):
    predict_files(classifier, files, table)
    rows = list(each_prediction(table))
    table.write_bytes(table.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    assert [row.path for row in each_prediction(table)] == [row.path for row in rows]
