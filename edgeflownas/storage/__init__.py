"""How is anything stored? Atomic writes, checksums, checkpoints, locks, and who holds them."""
