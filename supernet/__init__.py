"""All architectures in one set of weights: training them fairly, and scoring them."""
