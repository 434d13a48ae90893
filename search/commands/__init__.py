"""One module per command of ``edgeflownas-search``, each with a click command named ``command``."""
