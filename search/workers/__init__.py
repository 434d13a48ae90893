"""Who computes the scores? This process, local worker processes, or a Dask cluster."""
