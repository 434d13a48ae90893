"""What a run has found, for people: one page that opens from disk, and its figures and data as files.

``contents`` reads a run's files; each section's module makes neutral charts and tables of them; ``page``,
``images`` and ``tables`` show these three ways, so that page, PNG and CSV cannot differ.
"""
