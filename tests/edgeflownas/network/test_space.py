import numpy as np
import pytest

from edgeflownas.errors import InputError
from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.operations import Conv
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Gene, Space
from tests.small import OTHER_STAGES, SHIPPED, make_stage

SPACE = Space.from_skeleton(default_skeleton(32))


def gene(options):
    return Gene("G", "", tuple(map(str, range(options))))


def test_space_has_nine_genes_with_three_options():
    assert [gene.name for gene in SPACE.genes] == ["EB0", "EB1", "DB0", "DB1", "H0Out", "H1", "H1Out", "H2", "H2Out"]
    assert SPACE.counts == (3,) * 9
    assert SPACE.size == 19683
    assert SPACE.backbone == 4


def test_options_are_named_from_light_to_heavy():
    assert SPACE.genes[0].options == ("1 block", "2 blocks", "3 blocks")
    assert SPACE.genes[5].options == ("3x3", "5x5", "7x7")
    assert SPACE.genes[5].place == "upsample at 1/2"


def test_all_architectures_are_distinct_and_sorted_and_survive_formatting_and_parsing():
    architectures = list(SPACE.all())
    assert len(set(architectures)) == SPACE.size and architectures == sorted(architectures)
    assert all(SPACE.parse(SPACE.format(architecture)) == architecture for architecture in architectures[::97])


def test_indices_match_the_order_of_all_architectures():
    space = Space((gene(2), gene(5), gene(3)), 1, (2,))
    architectures = list(space.all())
    assert [space.index(architecture) for architecture in architectures] == list(range(30))
    assert space.indices(architectures).tolist() == list(range(30))
    assert space.architectures_at(np.arange(30)) == architectures
    assert space.architectures_at(np.array([7])) == [architectures[7]]


@pytest.mark.parametrize("genes", [(2, 0, 0), (0, 5, 0), (0, 0, -1), (0, 0), (0, 0, 0, 0), ()])
def test_genes_outside_the_space_have_no_index(genes):
    space = Space((gene(2), gene(5), gene(3)), 1, (2,))
    with pytest.raises(LookupError):
        space.index(genes)
    if len(genes) == 3:
        with pytest.raises(ValueError):
            space.indices([genes])


@pytest.mark.parametrize("text", ["", "00000000", "0000000000", "00000000x", "00000000²", "0000 0000"])
def test_text_without_one_digit_per_gene_is_refused(text):
    with pytest.raises(InputError, match="9 digits, one per gene .*H2Out.*such as 000000000"):
        SPACE.parse(text)


def test_missing_option_is_refused_by_the_gene_s_name():
    with pytest.raises(InputError, match="'000030000': gene H0Out has options 0 to 2, not 3"):
        SPACE.parse("000030000")


def test_other_space_needs_only_its_stages():
    space = Space.from_skeleton(Skeleton(4, OTHER_STAGES))
    assert space.counts == (2, 4, 2, 3, 2) and space.backbone == 2 and space.size == 96
    rng = np.random.default_rng(0)
    drawn = {space.sample(rng) for _ in range(2000)}
    assert drawn == set(space.all())


def test_gene_with_more_than_ten_options_is_refused():
    stage = make_stage("E0", Conv, tuple(range(1, 23, 2)), width=1)
    with pytest.raises(ValueError, match="gene E0 has 11 options"):
        Space.from_skeleton(Skeleton(4, (stage,)))


def test_space_without_genes_has_one_architecture_written_0() -> None:
    space = Space.from_skeleton(Skeleton(4, SHIPPED["edgeflownet"]))
    assert space.size == 1 and list(space.all()) == [()]
    assert space.format(()) == "0" and space.parse("0") == ()
    with pytest.raises(InputError, match="'000000000': the space has no genes; name its network as 0"):
        space.parse("000000000")
