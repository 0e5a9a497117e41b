"""A client that trains nothing, for Flower and FedSAM alike: its parameters come back as they came."""

import numpy as np

try:
    from flwr.client import NumPyClient
except ImportError:
    NumPyClient = object

#: Arrays that the model is made of.
ARRAYS = 16


class NoopClient(NumPyClient):
    def __init__(self, megabytes: int = 1) -> None:
        size = megabytes * 2**20 // 4 // ARRAYS
        random = np.random.default_rng(7)
        self.parameters = [random.standard_normal(size, dtype=np.float32) for _ in range(ARRAYS)]

    def get_parameters(self, config):
        return self.parameters

    def fit(self, parameters, config):
        return parameters, 1, {}
