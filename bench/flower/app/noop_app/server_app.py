"""FedAvg over two clients. It writes the time at which each round begins, and at which the last one ends, to the file of `times`."""

import time

import numpy as np
from flwr.app import Array, ArrayRecord
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()
#: Arrays that the model is made of.
ARRAYS = 16


class Timed(FedAvg):
    def __init__(self, times, **named):
        super().__init__(**named)
        self.times = times

    def now(self):
        with open(self.times, "a") as file:
            file.write(f"{time.time()}\n")

    def configure_train(self, server_round, arrays, config, grid):
        self.now()
        return super().configure_train(server_round, arrays, config, grid)


@app.main()
def main(grid, context):
    size = context.run_config["megabytes"] * 2**20 // 4 // ARRAYS
    random = np.random.default_rng(7)
    arrays = ArrayRecord({f"w{i:02}": Array(random.standard_normal(size, dtype=np.float32)) for i in range(ARRAYS)})
    strategy = Timed(context.run_config["times"], fraction_evaluate=0.0, min_train_nodes=2, min_available_nodes=2)
    strategy.start(grid=grid, initial_arrays=arrays, num_rounds=context.run_config["rounds"])
    strategy.now()
