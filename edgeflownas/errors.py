"""The errors that are told in one line."""


class InputError(Exception):
    """Wrong usage, configuration or data: one line that names the thing, what is wrong, and the mend."""


class FailedError(Exception):
    """Work that failed through no fault of the user's: one line that names what, and what becomes of it."""
