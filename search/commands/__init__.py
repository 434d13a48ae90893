"""The commands of ``edgeflownas-search``: one module per command, each with a click command named ``command``."""
