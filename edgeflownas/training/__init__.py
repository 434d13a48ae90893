"""How is one network trained? The loop, one optimisation step, and retraining in stages."""
