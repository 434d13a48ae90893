"""``python -m search``: the command line, for processes that are started without the console script."""

from search.cli import main

main()
