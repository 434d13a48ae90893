"""The retrain queue: the survivors of a search, one folder per task, worked off by any number of processes."""
