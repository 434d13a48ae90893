"""Tests of the promises in docs/reliability.md: with few inputs in the test suite, and in full as a command."""
