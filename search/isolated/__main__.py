"""Entry point of ``python /path/to/search/isolated``, for processes that other processes start.

``python -m search`` would import a ``search.py`` or ``random.py`` of the working folder instead of the real ones.
Started by its path, Python searches only this folder first, which contains no modules to import. The three packages are
loaded from the folder that contains them; other modules there come last.
"""

import importlib
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])
for package in ("edgeflownas", "supernet", "search"):
    importlib.import_module(package)
sys.path.append(sys.path.pop(0))

if __name__ == "__main__":
    importlib.import_module("search.cli").main()
