"""Images that belong together: the rules, what looks like a series, and that nothing divides a group."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from vitcore.dataset import (
    GroupRule,
    add_images,
    extra_columns,
    find_series,
    group_images,
    import_dataset,
    joined,
    load_dataset,
    set_aside,
    split_index,
    undo,
)
from vitcore.dataset._decode import photo_facts
from vitcore.dataset._groups import groups_by
from vitcore.errors import DatasetError, SettingsError


def index_of(names, labels=None, **columns):
    """An index of images of these names, all different."""
    labels = labels or [name.split("/")[0] for name in names]
    table = {"name": names, "label": labels, "split": "", "sha256": [f"{n:064}" for n in range(len(names))]}
    return pd.DataFrame({**table, "group": "", **{f"column:{key}": value for key, value in columns.items()}})


def grouped(index, rule):
    return groups_by(index, GroupRule.parse(rule)).tolist()


@pytest.fixture
def bursts(tmp_path):
    """Twenty subjects with six frames each, whose class is drawn by chance: the truth is 50 %."""
    random = np.random.default_rng(0)
    for subject in range(20):
        label = ("ill", "well")[random.integers(2)]
        (tmp_path / "bursts" / label).mkdir(parents=True, exist_ok=True)
        for frame in range(6):
            pixels = random.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "bursts" / label / f"p{subject:02}_{frame}.png")
    return tmp_path / "bursts"


# --- rules -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("colour:red", "no kind 'colour'"),
        ("column:", "nothing stands behind the colon"),
        ("folder", "nothing stands behind the colon"),
        ("folder:0", "from 1 to 20"),
        ("folder:two", "from 1 to 20"),
        ("time:0", "above 0"),
        ("time:nan", "above 0"),
        ("time:inf", "above 0"),
        ("name:([", "cannot be read"),
        ("name:^x", "no group in round brackets"),
        ("none:1", "stands alone"),
        ("name:(" + "x" * 600 + ")", "longer than 500"),
    ],
)
def test_what_is_no_rule_is_refused_with_what_is_one(rule, problem):
    with pytest.raises(SettingsError, match="is no rule for groups") as refused:
        GroupRule.parse(rule)
    assert problem in str(refused.value)
    assert "Give column:NAME, folder:N, name:REGEX, time:SECONDS or none." in str(refused.value)


@pytest.mark.parametrize("rule", ["none", "column:Patient no", "folder:2", r"name:^(\w+)-", "time:2.5"])
def test_a_rule_is_its_own_text(rule):
    assert str(GroupRule.parse(f" {rule}")) == rule


def test_the_name_of_the_file_counts_and_not_its_folders():
    index = index_of(["p1_x/p2_1.png", "p1_x/p2_2.png", "p1_x/other.png"])
    assert grouped(index, "name:^(p[0-9]+)_") == ["p2", "p2", ""]


def test_folders_are_counted_from_that_of_the_class():
    names = ["all/cat/tom/1.png", "all/cat/tom/2/3.png", "all/dog/rex/1.png", "all/dog/4.png"]
    index = index_of(names, ["cat", "cat", "dog", "dog"])
    assert grouped(index, "folder:1") == ["tom", "tom", "rex", ""]
    assert grouped(index, "folder:2") == ["", "tom/2", "", ""]


def test_the_parts_of_a_split_are_no_groups():
    index = index_of(["cat/train/tom/1.png", "cat/val/tom/2.png"], ["cat", "cat"])
    assert grouped(index, "folder:1") == ["tom", "tom"]


def test_a_series_ends_where_the_camera_paused_and_each_camera_has_its_own():
    taken = ["2024-05-01T10:00:00", "2024-05-01T10:00:08", "2024-05-01T10:00:19", "2024-05-01T10:00:01", ""]
    index = index_of([f"a/{n}.png" for n in range(5)], taken=taken, camera=["A", "A", "A", "B", "A"])
    groups = grouped(index, "time:10")
    assert groups[0] == groups[1]
    assert len({*groups}) == 4
    assert groups[4] == ""


def test_what_finds_nothing_is_refused_with_a_name_to_look_at():
    index = index_of(["a/1.png", "b/2.png"], patient=["x", "y"])
    with pytest.raises(SettingsError, match=r"no column 'doctor'; they have 'patient'"):
        grouped(index, "column:doctor")
    for rule in ("name:^(z)", "folder:1", "time:5"):
        with pytest.raises(
            SettingsError, match=r"finds no group in 2 images; look at a name such as 'a/1.png'"
        ):
            grouped(index, rule)


# --- what looks like a series ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [
        ("{label}/p{subject:02}_{frame}.jpg", "name:^([^_]+)_"),
        ("{label}/p{subject:02}-left-{frame}.jpg", "name:^([^-]+)-"),
        ("{label}/nest {subject} ({frame}).jpg", r"name:^(.*?)[ _.-]*\(?\d+\)?\.\w+$"),
        ("{label}/animal {subject}/{frame}.jpg", "folder:1"),
    ],
)
def test_series_are_noticed_by_their_names(pattern, rule):
    names = [
        pattern.format(label="ab"[subject % 2], subject=subject, frame=frame)
        for subject in range(10)
        for frame in range(5)
    ]
    found = find_series(index_of(names))
    assert (found.rule, found.images, found.count) == (rule, 50, 10)
    assert len({*found.examples}) == 2


def test_examples_of_a_series_that_has_the_same_names_in_two_classes_differ():
    names = [f"{label}/s{subject}_{frame}.jpg" for label in "ab" for subject in range(8) for frame in (0, 1)]
    assert find_series(index_of(names)).examples == ("s0_0.jpg", "s0_1.jpg")


@pytest.mark.parametrize(
    "pattern",
    [
        "{label}/IMG_{number:04}.jpg",
        "{label}/{label}_{number}.jpg",
        "{label}/{number:04}.png",
        "{label}/{number}a-b.jpg",
    ],
)
def test_ordinary_names_are_no_series(pattern):
    names = [pattern.format(label="ab"[number % 2], number=number) for number in range(60)]
    assert find_series(index_of(names)) is None


def test_bursts_are_noticed_by_the_time_of_the_camera():
    taken = [f"2024-05-{day + 1:02}T10:00:{second:02}" for day in range(12) for second in (0, 1, 2)]
    index = index_of([f"{'ab'[n % 2]}/{n:03}.jpg" for n in range(36)], taken=taken)
    assert find_series(index).rule == "time:10"


# --- in a dataset ------------------------------------------------------------------------------


def test_no_split_divides_a_group(bursts):
    dataset = import_dataset(bursts, group_by="name:^(p[0-9]+)_")
    index = dataset.index
    assert (dataset.group_count, index["group"].nunique()) == (20, 20)
    for seed in range(5):
        parts = split_index(index, seed=seed)
        assert pd.crosstab(index["group"], parts).gt(0).sum(axis=1).eq(1).all()
    alone = split_index(index.assign(group=""))
    assert pd.crosstab(index["group"], alone).gt(0).sum(axis=1).max() == 2


def test_look_alikes_link_groups():
    names = pd.Series(["a", "", "b", "b", ""])
    assert joined(np.array([0, 0, 1, 2, 3]), names).tolist() == [0, 0, 1, 1, 3]
    assert joined(np.array([0, 1, 1, 2, 3]), pd.Series(["a", "a", "b", "b", ""])).tolist() == [0, 0, 0, 0, 3]


def test_an_import_warns_of_series_until_somebody_grouped_them(bursts):
    dataset = import_dataset(bursts)
    sentence = "120 photos look like 20 series; p00_0.png and p00_1.png seem to belong together."
    assert any(sentence in str(warning) for warning in dataset.warnings)
    grouped_now = group_images(dataset, find_series(dataset.index).rule)
    assert not any("series" in str(warning) for warning in grouped_now.warnings)
    assert load_dataset(dataset.id).group_rule == "name:^([^_]+)_"
    with pytest.raises(DatasetError, match="already; choose another rule"):
        group_images(grouped_now, "name:^([^_]+)_")
    declined = group_images(grouped_now, "none")
    assert declined.group_count == 0
    assert any(sentence in str(warning) for warning in declined.warnings)


def test_grouping_is_undone_and_what_is_added_later_is_grouped_too(bursts, tmp_path):
    dataset = group_images(import_dataset(bursts), "name:^(p[0-9]+)_")
    (tmp_path / "more" / "ill").mkdir(parents=True)
    for frame in (7, 8):
        Image.new("RGB", (16, 16), (frame, 0, 0)).save(tmp_path / "more" / "ill" / f"p99_{frame}.png")
    more = add_images(dataset, tmp_path / "more")
    assert more.index["group"].value_counts()["p99"] == 2
    before = undo(undo(more))
    assert (before.group_rule, before.group_count) == ("", 0)
    assert load_dataset(dataset.id, version=2).group_count == 20


def test_the_same_source_under_another_rule_is_another_dataset(bursts):
    plain = import_dataset(bursts)
    assert import_dataset(bursts, group_by="none").id != plain.id
    assert import_dataset(bursts).id == plain.id


# --- what is known of the photos ---------------------------------------------------------------


def test_the_columns_of_a_table_are_kept_with_the_images(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    lines = ["file,label,patient,eye"]
    for number in range(8):
        Image.new("RGB", (16, 16), (number, 0, 0)).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{'ab'[number % 2]},P{number // 4},{'left' if number % 4 else ''}")
    (folder / "table.csv").write_text("\n".join(lines))
    dataset = import_dataset(folder, group_by="column:patient")
    assert extra_columns(dataset.index) == ("eye", "patient")
    assert dataset.index.set_index("name")["column:patient"].to_dict() == {
        f"{n}.png": f"P{n // 4}" for n in range(8)
    }
    assert dataset.group_count == 2
    again = load_dataset(dataset.id)
    assert again.rows.equals(dataset.rows)


def photo_with(tmp_path, taken="2024:05:01 10:00:00", latitude=(52.0, 30.0, 0.0)):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Canon", "Canon EOS\0"
    exif.get_ifd(0x8769)[0x9003] = taken
    exif.get_ifd(0x8825).update({1: "N", 2: latitude, 3: "W", 4: (13.0, 24.0, 0.0)})
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (16, 16)).save(path, exif=exif)
    return path


def test_a_photo_knows_its_time_its_camera_and_roughly_its_place(tmp_path):
    facts = photo_facts(photo_with(tmp_path))
    assert facts == {"taken": "2024-05-01T10:00:00", "camera": "Canon EOS", "place": "52.5 -13.4"}


@pytest.mark.parametrize("taken", ["0000:00:00 00:00:00", "    :  :     :  :  ", "yesterday", ""])
def test_a_time_that_is_none_is_left_out(tmp_path, taken):
    assert "taken" not in photo_facts(photo_with(tmp_path, taken=taken))


def test_a_place_beyond_the_earth_is_left_out(tmp_path):
    assert "place" not in photo_facts(photo_with(tmp_path, latitude=(999.0, 0.0, 0.0)))


def test_an_image_without_exif_says_nothing(tmp_path):
    Image.new("RGB", (16, 16)).save(tmp_path / "plain.png")
    assert photo_facts(tmp_path / "plain.png") == {}


# --- a test part at the import -----------------------------------------------------------------


def test_a_share_is_set_aside_at_the_import_and_no_group_is_divided(bursts):
    plain = import_dataset(bursts)
    dataset = import_dataset(bursts, group_by="name:^(p[0-9]+)_", test_fraction=0.2)
    assert dataset.version == 1
    assert 12 <= dataset.split_counts["test"] <= 30  # of 120, in groups of six
    assert dataset.index.groupby("group")["split"].nunique().eq(1).all()
    assert import_dataset(bursts, group_by="name:^(p[0-9]+)_", test_fraction=0.2).id == dataset.id
    assert load_dataset(plain.id).split_counts == {}
    with pytest.raises(DatasetError, match="already has a test part"):
        set_aside(dataset, 0.1)
    for fraction in (1.0, -0.5, float("nan")):
        with pytest.raises(SettingsError, match="above 0 and below 1"):
            import_dataset(bursts, test_fraction=fraction)
