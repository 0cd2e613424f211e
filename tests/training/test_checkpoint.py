"""Going on from a checkpoint, for every kind of training."""

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
    return [{k: v for k, v in record.items() if k != "seconds"} for record in result.history]


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
