"""How does the search choose? NSGA-II, its operators and objectives, and the archive of scores."""
