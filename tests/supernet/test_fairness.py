import json

import numpy as np
import pytest

from edgeflownas.skeleton import Skeleton
from edgeflownas.space import Space
from supernet.fairness import FairSampler, covering_pool, routing
from tests.small import OTHER_STAGES

NINE = Space.of(Skeleton(8))
UNEVEN = Space.of(Skeleton(4, OTHER_STAGES))


def counted(space, cycles):
    """How often each option occurs, counted from the architectures themselves."""
    counts = [np.zeros(count, int) for count in space.counts]
    for cycle in cycles:
        for architecture in cycle:
            for gene, option in enumerate(architecture):
                counts[gene][option] += 1
    return counts


def test_every_option_of_every_gene_is_trained_once_a_cycle():
    sampler = FairSampler(NINE, np.random.default_rng(0))
    for _ in range(50):
        cycle = sampler.cycle()
        assert len(cycle) == 3
        assert all((counts == 1).all() for counts in counted(NINE, [cycle]))
        assert sampler.gap() == 0


def test_permutations_of_different_genes_are_independent():
    sampler = FairSampler(NINE, np.random.default_rng(0))
    pairs = np.zeros((3, 3))
    for _ in range(3000):
        for architecture in sampler.cycle():
            pairs[architecture[2], architecture[7]] += 1
    np.testing.assert_allclose(pairs, 1000, atol=100)


def test_genes_with_fewer_options_repeat_them_as_evenly_as_counts_allow():
    sampler = FairSampler(UNEVEN, np.random.default_rng(0))
    cycles = []
    for _ in range(60):
        cycles.append(sampler.cycle())
        for gene, counts in enumerate(counted(UNEVEN, cycles)):
            assert counts.max() - counts.min() <= 1
            np.testing.assert_array_equal(counts, sampler.counts[gene])
            assert counted(UNEVEN, cycles[-1:])[gene].min() >= 1


def test_a_restored_sampler_deals_the_same_cycles():
    sampler = FairSampler(UNEVEN, np.random.default_rng(3))
    for _ in range(7):
        sampler.cycle()
    state = json.loads(json.dumps(sampler.state()))
    expected = [sampler.cycle() for _ in range(20)]
    other = FairSampler(UNEVEN, np.random.default_rng(99))
    other.restore(state)
    assert [other.cycle() for _ in range(20)] == expected


@pytest.mark.parametrize("space", [NINE, UNEVEN])
def test_the_pool_is_fixed_and_covers_the_space_evenly(space):
    pool = covering_pool(space, 4, seed=0)
    assert pool == covering_pool(space, 4, seed=0) and len(pool) == 4 * max(space.counts)
    assert all(counts.max() - counts.min() <= 1 for counts in counted(space, [pool]))


@pytest.mark.parametrize("space", [NINE, UNEVEN])
def test_routing_leads_every_path_to_its_option(space):
    sampler = FairSampler(space, np.random.default_rng(5))
    for _ in range(50):
        cycle = sampler.cycle()
        path_of, option_of = routing(space, cycle)
        for gene, count in enumerate(space.counts):
            assert sorted(path_of[gene]) == list(range(len(cycle)))
            assert list(option_of[gene][:count]) == list(range(count))
            for path, option in zip(path_of[gene], option_of[gene]):
                assert cycle[path][gene] == option
