"""NSGA-II: the ask-and-tell search, its operators and objectives, and the archive of scores."""
