"""Entry point of ``python -m search``, for processes that are started without the console script."""

from search.cli import main

main()
