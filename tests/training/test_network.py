"""The gradients that are written down, against those that autograd derives."""

import numpy as np
import pytest
import torch

from vitcore.training import Hyperparameters
from vitcore.training._network import HiddenNetwork, Network, new_network
from vitcore.training._steps import slope, target_table

HEADS, BATCH, DIMENSION, CLASSES = 3, 16, 7, 4
LABELS = np.array([0] * 9 + [1] * 5 + [2] * 2, dtype=np.int64)  # no image of the last class


def network(head: str) -> Network:
    """With random weights, so that no gradient is zero."""
    units = 6 if head == "hidden" else 256
    made = new_network(
        Hyperparameters(head=head, hidden_units=units), list(range(HEADS)), DIMENSION, CLASSES, "cpu"
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in made.parameters.values():
            parameter.normal_(generator=generator)
    return made


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(1)
    x = torch.from_numpy(random.normal(size=(HEADS, BATCH, DIMENSION)).astype(np.float32))
    return x, torch.from_numpy(random.integers(0, 3, (HEADS, BATCH)))


@pytest.mark.parametrize("head", ["linear", "hidden"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("balance", ["none", "weights"])
def test_gradients_are_those_of_the_cross_entropy_of_torch(head, smoothing, balance):
    made = network(head)
    x, y = batch()
    h = Hyperparameters(label_smoothing=smoothing, balance=balance)
    targets = target_table(LABELS, CLASSES, h)[y]
    with torch.no_grad():
        made.backward(x, slope(torch.log_softmax(made.logits(x), dim=2), targets))
    found = {name: parameter.grad.clone() for name, parameter in made.parameters.items()}

    counts = np.maximum(np.bincount(LABELS, minlength=CLASSES), 1)
    weight = torch.from_numpy(len(LABELS) / (CLASSES * counts)).float() if balance == "weights" else None
    # torch divides by the weights of the true classes, slope by those of all that is aimed at.
    own, aimed = (torch.ones(HEADS, BATCH) if weight is None else weight[y]), targets.sum(dim=2)
    logits = made.logits(x)
    for parameter in made.parameters.values():
        parameter.grad = None
    for number in range(HEADS):
        loss = torch.nn.functional.cross_entropy(
            logits[number], y[number], weight=weight, label_smoothing=smoothing
        )
        share = own[number].sum() / aimed[number].sum()
        (loss * share).backward(retain_graph=True)
    for name, parameter in made.parameters.items():
        assert torch.allclose(found[name], parameter.grad, atol=1e-6), name


@pytest.mark.parametrize("head", ["linear", "hidden"])
def test_heads_side_by_side_do_not_touch_each_other(head):
    made = network(head)
    x, _ = batch()
    with torch.no_grad():
        together = made.logits(x)
        for number in range(HEADS):
            one = slice(number, number + 1)
            assert torch.allclose(made.logits(x[one], one), together[one], atol=1e-6)


@pytest.mark.parametrize("head", ["linear", "hidden"])
def test_a_head_is_a_copy_of_its_network(head):
    made = network(head)
    x, _ = batch()
    mean, std = np.zeros(DIMENSION, dtype=np.float32), np.ones(DIMENSION, dtype=np.float32)
    with torch.no_grad():
        expected = made.logits(x)
        heads = [made.head(made.state(number), mean, std) for number in range(HEADS)]
        for parameter in made.parameters.values():
            parameter.zero_()
    for number, copy in enumerate(heads):
        assert np.allclose(copy.logits(x[number].numpy()), expected[number], atol=1e-5)


def test_a_hidden_network_starts_at_guessing_and_each_seed_elsewhere():
    made = HiddenNetwork([3, 3, 4], DIMENSION, 5, CLASSES, "cpu")
    assert not made.logits(batch()[0]).detach().any()
    assert torch.equal(made.hidden_weight[0], made.hidden_weight[1])
    assert not torch.equal(made.hidden_weight[0], made.hidden_weight[2])
