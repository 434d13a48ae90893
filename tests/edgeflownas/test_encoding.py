import os
import subprocess
import sys

import pytest

from tests.terminal import ROOT

ENCODINGS = """
import sys
from edgeflownas.encoding import replace_unencodable
replace_unencodable()
print("2\u2026 d\\xe9j\\xe0 \u65e5 \\udcff")
"""


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("ascii", rb"2... d\xe9j\xe0 \u65e5 \xff"),
        ("iso-8859-1", b"2... d\xe9j\xe0 \\u65e5 \\xff"),
        ("utf-8", "2… déjà 日 ".encode() + rb"\xff"),
    ],
)
def test_characters_that_the_encoding_lacks_are_replaced(encoding, text):
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", ENCODINGS], env=environment, check=True, stdout=-1)
    assert done.stdout.strip() == text
