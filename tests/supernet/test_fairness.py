import json

import numpy as np
import pytest

from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Space
from supernet.fairness import (
    FairSampler,
    Group,
    UniformSampler,
    assign_own_slots,
    draw_covering_pool,
    draw_fair_sample,
    free_groups,
    route_paths,
)
from tests.small import OTHER_STAGES

NINE = Space.from_skeleton(default_skeleton(8))
UNEVEN = Space.from_skeleton(Skeleton(4, OTHER_STAGES))


def count_options(space, cycles):
    """Count how often each option occurs in the architectures of some cycles."""
    counts = [np.zeros(count, int) for count in space.counts]
    for cycle in cycles:
        for architecture in cycle:
            for gene, option in enumerate(architecture):
                counts[gene][option] += 1
    return counts


def test_every_option_of_every_gene_is_trained_once_per_cycle():
    sampler = FairSampler(NINE, np.random.default_rng(0))
    for _ in range(50):
        cycle = sampler.draw_cycle()
        assert len(cycle) == 3
        assert all((counts == 1).all() for counts in count_options(NINE, [cycle]))
        assert sampler.gap() == 0


def test_permutations_of_different_genes_are_independent():
    sampler = FairSampler(NINE, np.random.default_rng(0))
    pairs = np.zeros((3, 3))
    for _ in range(3000):
        for architecture in sampler.draw_cycle():
            pairs[architecture[2], architecture[7]] += 1
    np.testing.assert_allclose(pairs, 1000, atol=100)


def test_genes_with_fewer_options_repeat_them_evenly():
    sampler = FairSampler(UNEVEN, np.random.default_rng(0))
    cycles = []
    for _ in range(60):
        cycles.append(sampler.draw_cycle())
        for gene, counts in enumerate(count_options(UNEVEN, cycles)):
            assert counts.max() - counts.min() <= 1
            np.testing.assert_array_equal(counts, sampler.counts[gene])
            assert count_options(UNEVEN, cycles[-1:])[gene].min() >= 1


def test_restored_sampler_draws_the_same_cycles():
    sampler = FairSampler(UNEVEN, np.random.default_rng(3))
    for _ in range(7):
        sampler.draw_cycle()
    state = json.loads(json.dumps(sampler.state()))
    expected = [sampler.draw_cycle() for _ in range(20)]
    other = FairSampler(UNEVEN, np.random.default_rng(99))
    other.restore(state)
    assert [other.draw_cycle() for _ in range(20)] == expected


@pytest.mark.parametrize("space", [NINE, UNEVEN])
def test_pool_is_fixed_and_covers_the_space_evenly(space):
    pool = draw_covering_pool(space, 4, seed=0)
    assert pool == draw_covering_pool(space, 4, seed=0) and len(pool) == 4 * max(space.counts)
    assert all(counts.max() - counts.min() <= 1 for counts in count_options(space, [pool]))


@pytest.mark.parametrize("space", [NINE, UNEVEN])
def test_routes_lead_every_path_to_its_option(space):
    sampler = FairSampler(space, np.random.default_rng(5))
    for _ in range(50):
        cycle = sampler.draw_cycle()
        path_of, option_of = route_paths(space, cycle)
        for gene, count in enumerate(space.counts):
            assert sorted(path_of[gene]) == list(range(len(cycle)))
            assert list(option_of[gene][:count]) == list(range(count))
            for path, option in zip(path_of[gene], option_of[gene]):
                assert cycle[path][gene] == option


def test_fixed_genes_stay_and_free_genes_are_sampled_fairly():
    heads = (0, 1, 2, 0, 1)
    sampler = FairSampler(NINE, np.random.default_rng(1), [*free_groups(NINE)[:4], Group(4, (heads,))])
    for _ in range(20):
        cycle = sampler.draw_cycle()
        assert all(architecture[4:] == heads for architecture in cycle)
        assert all((counts == 1).all() for counts in count_options(NINE, [cycle])[:4])
    assert sampler.gap() == 0 and not sampler.covers


def test_more_kept_backbones_than_paths_are_drawn_equally_often_over_time():
    kept = ((0, 0, 0, 0), (2, 1, 0, 2), (1, 1, 1, 1), (2, 2, 2, 2), (0, 1, 2, 0))
    sampler = FairSampler(NINE, np.random.default_rng(1), [Group(0, kept), *free_groups(NINE)[4:]])
    seen = dict.fromkeys(kept, 0)
    for number in range(1, 51):
        cycle = sampler.draw_cycle()
        assert len({architecture[:4] for architecture in cycle}) == 3
        for architecture in cycle:
            seen[architecture[:4]] += 1
        assert max(seen.values()) - min(seen.values()) <= 1
        assert sampler.gap() == max(seen.values()) - min(seen.values())
        assert all((counts == 1).all() for counts in count_options(NINE, [cycle])[4:]), number
    assert sampler.report()["counts"]["EB0+EB1+DB0+DB1"] == list(seen.values())
    assert sampler.report()["options"]["EB0+EB1+DB0+DB1"][1] == "2102"


def test_uniform_sampling_draws_one_uniform_path_and_resumes_from_its_state():
    sampler = UniformSampler(NINE, np.random.default_rng(2))
    drawn = [sampler.draw_cycle() for _ in range(3000)]
    assert all(len(cycle) == 1 for cycle in drawn)
    for counts in count_options(NINE, drawn):
        np.testing.assert_allclose(counts, 1000, atol=100)
    assert sampler.gap() > 0, "equal counts would be strict fairness"
    other = UniformSampler(NINE, np.random.default_rng(9))
    other.restore(json.loads(json.dumps(sampler.state())))
    assert [other.draw_cycle() for _ in range(20)] == [sampler.draw_cycle() for _ in range(20)]


def test_fair_sample_is_distinct_and_contains_every_option_equally_often():
    sample = draw_fair_sample(NINE, 36, 1)
    assert len(set(sample)) == 36
    assert all((counts == 12).all() for counts in count_options(NINE, [sample]))
    assert sample == draw_fair_sample(NINE, 36, 1) and sample != draw_fair_sample(NINE, 36, 2)
    two = Space(NINE.genes[:2], 2, ())  # nine architectures: cycles that repeat one have to be drawn again
    whole = draw_fair_sample(two, 6, 0)
    assert len(set(whole)) == 6 and all((counts == 2).all() for counts in count_options(two, [whole]))


@pytest.mark.parametrize("seed", range(3))
def test_discarded_cycles_do_not_affect_the_counts_of_a_fair_sample(seed):
    sample = draw_fair_sample(UNEVEN, 48, seed)
    assert len(set(sample)) == 48
    assert all(counts.max() - counts.min() <= 1 for counts in count_options(UNEVEN, [sample]))


@pytest.mark.parametrize("count, reason", [(35, "multiple"), (12, "distinct")])
def test_sample_that_cannot_be_fair_is_refused(count, reason):
    with pytest.raises(ValueError, match=reason):
        draw_fair_sample(Space(NINE.genes[:2], 2, ()), count, 0)


def test_own_slots_assign_each_path_its_architecture():
    cycle = [(0, 1, 2), (0, 0, 2)]
    path_of, option_of = assign_own_slots(cycle)
    assert path_of.tolist() == [[0, 1]] * 3 and option_of.T.tolist() == [list(architecture) for architecture in cycle]
