"""The error that a user can mend."""


class InputError(Exception):
    """Wrong usage, configuration or data: one line that names the thing, what is wrong, and the mend."""
