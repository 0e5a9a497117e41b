"""A client that trains nothing, for Flower and FedSAM alike: its parameters come back a little larger than they came.

So every model and every update is another one, and nobody saves the transfer of what is there already.
"""

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
        self.step = np.float32(np.random.default_rng().uniform(0.001, 0.002))
        self.parameters = [random.standard_normal(size, dtype=np.float32) for _ in range(ARRAYS)]

    def get_parameters(self, config):
        return self.parameters

    def fit(self, parameters, config):
        return [array + self.step for array in parameters], 1, {}
