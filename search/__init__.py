"""The search: evolution, checkpoints, the retrain queue, reports, and the command line ``edgeflownas-search``."""
