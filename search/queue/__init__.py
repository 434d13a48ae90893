"""The retrain queue: the survivors of a search as tasks, one folder per task, run by any number of processes."""
