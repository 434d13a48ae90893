"""Which TensorFlow runs, and on what? The supported stacks, sessions and devices."""
