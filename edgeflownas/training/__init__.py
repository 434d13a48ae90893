"""How is one network trained? The loop, its files and log, one optimisation step, and retraining in stages."""
