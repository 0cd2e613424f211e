"""Going on from a checkpoint, for every kind of training."""

import math
from dataclasses import replace

import numpy as np
import pytest

from vitcore.errors import SettingsError, StorageError
from vitcore.training import Checkpoint, HiddenHead, Hyperparameters, fit_head, load_head

KINDS = {
    "adamw": {},
    "sgd": {"optimizer": "sgd", "learning_rate": 0.05},
    "adam, no schedule": {"optimizer": "adam", "schedule": "constant"},
    "lbfgs": {"optimizer": "lbfgs"},
    "everything at once": {"dropout": 0.2, "noise": 0.2, "mixup": 0.3, "balance": "sampler"},
    "hidden": {"head": "hidden", "hidden_units": 6, "balance": "weights"},
}


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 80)
    vectors = (np.eye(3)[labels] @ random.normal(0, 1.5, (3, 10)) + random.normal(0, 1, (80, 10))).astype(
        np.float16
    )
    return vectors[:50, None], labels[:50], vectors[50:], labels[50:]


def fit(data, checkpoints=None, **options):
    settings = {"epochs": 6, "batch_size": 8, **options}
    checkpoint = settings.pop("checkpoint", None)
    if settings.get("optimizer") == "lbfgs":
        del settings["batch_size"]
    return fit_head(
        *data,
        classes=3,
        hyperparameters=Hyperparameters(**settings),
        checkpoint=checkpoint,
        on_checkpoint=None if checkpoints is None else checkpoints.append,
    )


def figures(result):
    return [replace(record, seconds=0) for record in result.history]


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("reached", [1, 4])
def test_a_training_that_goes_on_ends_as_one_without_a_break(data, tmp_path, kind, reached):
    checkpoints: list[Checkpoint] = []
    whole = fit(data, checkpoints, **KINDS[kind])
    checkpoints[reached - 1].save(tmp_path / "checkpoint")
    resumed = fit(data, checkpoint=Checkpoint.load(tmp_path / "checkpoint"), **KINDS[kind])
    assert figures(resumed) == figures(whole)
    assert resumed.best_epoch == whole.best_epoch
    for name, array in vars(whole.head).items():
        assert np.array_equal(array, getattr(resumed.head, name))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epochs": 7}, "cosine cannot be"),
        ({"seed": 1}, "seed was 0 and is 1"),
        ({"dropout": 0.1}, "dropout"),
        ({"epochs": 7, "seed": 1}, "epochs was 6 and is 7 and seed was 0 and is 1"),
        ({"head": "hidden"}, "head was 'linear' and is 'hidden'"),
        ({"optimizer": "lbfgs", "weight_decay": 0.1}, "optimizer was 'adamw' and is 'lbfgs'"),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(data, change, said):
    checkpoints: list[Checkpoint] = []
    fit(data, checkpoints)
    with pytest.raises(SettingsError, match=said):
        fit(data, checkpoint=checkpoints[1], **change)


def test_a_checkpoint_of_other_data_is_refused(data):
    checkpoints: list[Checkpoint] = []
    fit(data, checkpoints)
    vectors, labels, *rest = data
    with pytest.raises(SettingsError, match="other images or labels"):
        fit((vectors, np.roll(labels, 1), *rest), checkpoint=checkpoints[1])


@pytest.mark.parametrize("damage", [b"", b"no checkpoint", "cut", "bit"])
def test_a_damaged_checkpoint_is_refused(data, tmp_path, damage):
    checkpoints: list[Checkpoint] = []
    fit(data, checkpoints)
    path = tmp_path / "checkpoint"
    checkpoints[0].save(path)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[:-10]
    elif damage == "bit":
        content[-3] ^= 1
    else:
        content = bytearray(damage)
    path.write_bytes(bytes(content))
    with pytest.raises(StorageError, match="checkpoint"):
        Checkpoint.load(path)


@pytest.mark.parametrize("kind", ["adamw", "hidden"])
def test_a_head_is_saved_and_loaded_whatever_its_kind(data, tmp_path, kind):
    head = fit(data, **KINDS[kind]).head
    head.save(tmp_path / "head.safetensors")
    loaded = load_head(tmp_path / "head.safetensors")
    assert isinstance(loaded, HiddenHead) == (kind == "hidden")
    assert np.array_equal(loaded.logits(data[2]), head.logits(data[2]))
    # The answer for an image does not depend on which others came with it.
    assert np.array_equal(loaded.logits(data[2][:1]), head.logits(data[2])[:1])


# --- lengthening -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [{"schedule": "constant", "warmup_epochs": 2}, {"optimizer": "lbfgs"}])
@pytest.mark.parametrize("reached", [3, 6])
def test_a_training_whose_steps_do_not_depend_on_its_length_can_be_lengthened(data, kind, reached):
    checkpoints: list[Checkpoint] = []
    fit(data, checkpoints, **kind)
    whole = fit(data, **kind, epochs=9)
    longer = fit(data, checkpoint=checkpoints[reached - 1], **kind, epochs=9)
    assert figures(longer) == figures(whole)
    assert np.array_equal(longer.head.weight, whole.head.weight)


def test_a_training_cannot_be_shorter_than_it_is_already(data):
    checkpoints: list[Checkpoint] = []
    fit(data, checkpoints, schedule="constant")
    with pytest.raises(SettingsError, match="epochs is 4 and the checkpoint has 5 already"):
        fit(data, checkpoint=checkpoints[4], schedule="constant", epochs=4)
    assert len(fit(data, checkpoint=checkpoints[3], schedule="constant", epochs=4).history) == 4


def test_a_complete_training_has_nothing_to_go_on_with(data):
    checkpoints: list[Checkpoint] = []
    whole = fit(data, checkpoints)
    again = fit(data, checkpoint=checkpoints[-1])
    assert again.outcome == "complete"
    assert again.history == whole.history
    assert np.array_equal(again.head.weight, whole.head.weight)


@pytest.mark.parametrize("reached", [1, 3, -1])
def test_patience_remembers_how_long_it_has_waited(data, reached):
    settings = {"epochs": 30, "patience": 3, "learning_rate": 0.3, "schedule": "constant"}
    checkpoints: list[Checkpoint] = []
    whole = fit(data, checkpoints, **settings)
    assert len(whole.history) < 30
    resumed = fit(data, checkpoint=checkpoints[reached], **settings)
    assert figures(resumed) == figures(whole)
    assert np.array_equal(resumed.head.weight, whole.head.weight)


def test_the_finish_may_change_on_the_way(data):
    checkpoints: list[Checkpoint] = []
    whole = fit(data, checkpoints)
    assert figures(fit(data, checkpoint=checkpoints[2], finish=False)) == figures(whole)


# --- the parts of it -------------------------------------------------------------------------


def test_there_is_a_checkpoint_after_each_epoch_and_later_ones_leave_it_alone(data):
    checkpoints: list[Checkpoint] = []
    whole = fit(data, checkpoints)
    assert [len(checkpoint.history) for checkpoint in checkpoints] == [1, 2, 3, 4, 5, 6]
    first, last = checkpoints[0], checkpoints[-1]
    assert first.history == tuple(whole.history[:1])
    assert not np.array_equal(first.parameters["weight"], last.parameters["weight"])
    assert any(not np.array_equal(first.optimizer[name], last.optimizer[name]) for name in first.optimizer)


def test_a_checkpoint_comes_back_from_its_file(data, tmp_path):
    checkpoints: list[Checkpoint] = []
    fit(data, checkpoints, optimizer="lbfgs", weight_decay=0.1)
    saved = checkpoints[2]
    record = replace(saved.history[-1], cohen_kappa=math.nan)
    saved = replace(saved, history=(*saved.history[:-1], record))
    saved.save(tmp_path / "checkpoint")
    again = Checkpoint.load(tmp_path / "checkpoint")
    assert again.hyperparameters == saved.hyperparameters
    assert (again.data, again.best_epoch) == (saved.data, saved.best_epoch)
    assert math.isnan(again.history[-1].cohen_kappa)
    assert again.history[:-1] == saved.history[:-1]
    for name in ("parameters", "optimizer"):
        before, after = getattr(saved, name), getattr(again, name)
        assert before.keys() == after.keys()
        for key, array in before.items():
            assert np.array_equal(after[key], array)
            assert (after[key].dtype, after[key].shape) == (array.dtype, array.shape)


def test_a_checkpoint_replaces_the_last_one_and_leaves_nothing_else_behind(data, tmp_path):
    checkpoints: list[Checkpoint] = []
    fit(data, checkpoints)
    path = tmp_path / "own" / "checkpoint"
    path.parent.mkdir()
    checkpoints[0].save(path)
    checkpoints[1].save(path)
    assert [found.name for found in path.parent.iterdir()] == ["checkpoint"]
    assert len(Checkpoint.load(path).history) == 2


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(data, tmp_path, monkeypatch):
    checkpoints: list[Checkpoint] = []
    fit(data, checkpoints)
    path = tmp_path / "own" / "checkpoint"
    with pytest.raises(StorageError, match="cannot be written"):
        checkpoints[0].save(path)
    path.parent.mkdir()
    checkpoints[0].save(path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match=r"cannot be written \(No space left on device\)"):
        checkpoints[1].save(path)
    assert [found.name for found in path.parent.iterdir()] == ["checkpoint"]
    assert len(Checkpoint.load(path).history) == 1


@pytest.mark.parametrize("missing", ["file", "metadata"])
def test_what_is_no_checkpoint_is_refused(data, tmp_path, missing):
    path = tmp_path / "checkpoint"
    if missing == "metadata":  # as in a head
        fit(data).head.save(path)
    with pytest.raises(StorageError, match="train from the start"):
        Checkpoint.load(path)


def test_a_checkpoint_of_another_number_of_classes_is_refused(data):
    checkpoints: list[Checkpoint] = []
    fit(data, checkpoints)
    with pytest.raises(SettingsError, match=r"its bias is of shape \(1, 1, 3\) and must be \(1, 1, 4\)"):
        fit_head(
            *data,
            classes=4,
            hyperparameters=Hyperparameters(epochs=6, batch_size=8),
            checkpoint=checkpoints[0],
        )
