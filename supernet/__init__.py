"""The supernet: all architectures in one set of weights, their strictly fair training, and their scoring."""
