import pytest

from edgeflownas.wording import format_count, join, suggest


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((1, "generation"), "1 generation"),
        ((0, "generation"), "0 generations"),
        ((19683, "architecture"), "19,683 architectures"),
        ((1, "child", "children"), "1 child"),
        ((2, "child", "children"), "2 children"),
    ],
)
def test_count_agrees_with_the_number(words, text):
    assert format_count(*words) == text


@pytest.mark.parametrize(("words", "text"), [("", ""), ("a", "a"), ("ab", "a and b"), ("abc", "a, b and c")])
def test_join_lists_words(words, text):
    assert join(list(words)) == text


@pytest.mark.parametrize(
    ("word", "known"), [("trian", "train"), ("Evolution", "evolution"), ("evolutoin", "evolution"), ("xyz", None)]
)
def test_suggest_returns_the_most_similar_word(word, known):
    assert suggest(word, ["train", "evolution", "evaluation", "data"]) == known
