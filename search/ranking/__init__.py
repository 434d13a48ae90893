"""Rankings: how well weights shared in a supernet rank architectures, compared with children trained alone."""
