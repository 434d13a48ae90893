"""The search: evolution, checkpoint, retrain queue, and the command line ``edgeflownas-search``."""
