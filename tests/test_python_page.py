"""The examples of docs/python.md, run one after the other in an empty folder, as the page says."""

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


def test_examples_run_as_written(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert len(blocks) == 5 and done.returncode == 0, done.stderr
    assert "19683 architectures, such as 210012001" in done.stdout
    assert "4 generations completed - best: " in done.stdout
    assert "(64, 96, 2) recomputed from 64 training pairs of the run" in done.stdout
