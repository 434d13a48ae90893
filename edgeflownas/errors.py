"""Errors that are reported to the user in one line."""


class InputError(Exception):
    """Wrong usage, configuration or data; the message is one line: the subject, the problem and the remedy."""


class FailedError(Exception):
    """Work that failed through no fault of the user; the message is one line: what failed, and what happens next."""
