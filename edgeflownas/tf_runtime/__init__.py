"""Which TensorFlow runs, and on what? Sessions and devices."""
