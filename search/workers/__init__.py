"""Who computes the scores: this process, local worker processes, or a Dask cluster?"""
