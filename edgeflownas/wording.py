"""Wording of messages: plurals, lists and suggestions."""

import difflib
from typing import Iterable, Optional, Sequence


def format_count(number: int, noun: str, plural: Optional[str] = None) -> str:
    """Return a number with its noun, such as "1 generation" or "2,673 architectures".

    Args:
        number: Number of things.
        noun: Noun for one thing, with its adjectives.
        plural: Noun for several things; if None, ``noun`` with an s.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def join(words: Sequence[str]) -> str:
    """Return words as a list in a sentence, such as "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def suggest(word: str, known: Iterable[str]) -> Optional[str]:
    """Return the known word that a misspelt one most likely stands for; None if none is similar."""
    similar = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.7)
    return similar[0] if similar else None
