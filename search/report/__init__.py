"""Report of runs: one HTML page that opens from disk, and its charts and data as files.

``contents`` reads a run's files; the module of each section turns them into format-neutral charts and tables; ``page``,
``images`` and ``tables`` render these as HTML, PNG and CSV, so that the three cannot differ.
"""
