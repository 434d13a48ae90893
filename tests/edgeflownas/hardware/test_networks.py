import pytest

from edgeflownas.hardware.networks import code_of

SOURCE = '''"""Module."""

def double(x):
    """Doubles a number."""
    return 2 * x
'''


@pytest.mark.parametrize(
    "other",
    [
        SOURCE.replace("Doubles a number", "Returns twice the number"),
        SOURCE.replace("    return", "    # a comment\n    return"),
        SOURCE.replace("2 * x", "(2  *  x)"),
        SOURCE.replace('    """Doubles a number."""\n', ""),
    ],
)
def test_code_is_independent_of_comments_docstrings_and_layout(other: str) -> None:
    assert other != SOURCE
    assert code_of(other) == code_of(SOURCE)


def test_code_depends_on_the_computation() -> None:
    assert code_of(SOURCE.replace("2 * x", "3 * x")) != code_of(SOURCE)
