"""Entry point of ``python -m search``, for processes that are started without the console script.

Python searches the working folder first, which may contain a ``random.py``; here it comes last.
"""

import os
import sys

if sys.path[:1] == [os.getcwd()]:
    sys.path.append(sys.path.pop(0))

from search.cli import main  # noqa: E402

main()
