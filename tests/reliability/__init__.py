"""The promises of docs/reliability.md, with few inputs for the test suite, and with all of them as a command."""
