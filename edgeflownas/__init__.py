"""One network: the search space, the skeleton, its data, its training and its hardware cost."""

__version__ = "0.1.0"
