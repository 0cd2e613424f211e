"""Pictures that are there more than once, and the groups they form."""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from vitcore.dataset._copies import group_pairs


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_connected_components(seed):
    random = np.random.default_rng(seed)
    pairs = random.integers(0, 200, (120, 2))
    groups = group_pairs(200, pairs, random.random(120), largest=200)
    count, expected = connected_components(
        coo_array((np.ones(120), pairs.T), shape=(200, 200)), directed=False
    )
    assert len(set(groups)) == count
    assert len({*zip(groups, expected, strict=True)}) == count
    assert all(groups[group] == group <= item for item, group in enumerate(groups))


def test_a_chain_does_not_grow_beyond_the_largest_group_and_breaks_at_its_weakest_link():
    chain = np.stack([np.arange(9), np.arange(1, 10)], axis=1)
    strengths = np.array([0.99, 0.98, 0.99, 0.98, 0.95, 0.99, 0.98, 0.99, 0.98])
    assert group_pairs(10, chain, strengths, largest=5).tolist() == [0] * 5 + [5] * 5
    assert group_pairs(10, chain, strengths, largest=10).tolist() == [0] * 10
    assert np.bincount(group_pairs(10, chain, strengths, largest=3)).max() <= 3
