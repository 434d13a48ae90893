"""Output of characters that the encoding of a terminal or a file does not have."""

import codecs
import sys
from typing import Iterator, Tuple, Union

_REPLACEMENT = "edgeflownas"  # name of the handler of encoding errors
_SUBSTITUTES = {
    "\u2026": "...", "\u2013": "-", "\u2014": "-", "\u2212": "-", "\u00d7": "x", "\u2018": "'", "\u2019": "'",
    "\u201c": '"', "\u201d": '"', "\u2265": ">=", "\u2264": "<=", "\u2192": "->", "\u00b5": "u", "\u03bc": "u",
}  # fmt: skip


def replace_unencodable() -> None:
    """Make standard output and standard error replace characters that their encoding does not have."""
    codecs.register_error(_REPLACEMENT, _replace)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_REPLACEMENT)


def _replace(error: UnicodeError) -> Tuple[Union[str, bytes], int]:
    """Return similar ASCII characters where there are any, otherwise hexadecimal escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_substitutes(error.object[error.start : error.end])), error.end


def _substitutes(text: str) -> Iterator[str]:
    for letter in text:
        undecoded = "\udc80" <= letter <= "\udcff"  # a byte of a file name that is not UTF-8
        escaped = f"\\x{ord(letter) - 0xDC00:02x}" if undecoded else letter.encode("ascii", "backslashreplace").decode()
        yield _SUBSTITUTES.get(letter, escaped)
