"""In place of the package torch, for the tests of torchrun's rank 0."""
