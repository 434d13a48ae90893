"""How is data stored? Atomic writes, checksums, checkpoints, and locks with their holders."""
