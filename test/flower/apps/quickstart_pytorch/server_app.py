"""The server: Flower's FedAvg. It leaves the model and the metrics of each round in its working folder."""

import json

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from quickstart_pytorch.task import make_net

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    arrays = ArrayRecord(make_net().state_dict())
    strategy = FedAvg(min_train_nodes=3, min_evaluate_nodes=3, min_available_nodes=3)
    result = strategy.start(
        grid=grid,
        initial_arrays=arrays,
        train_config=ConfigRecord({"lr": 0.05}),
        num_rounds=context.run_config["num-server-rounds"],
    )
    np.savez("final.npz", **{name: array.numpy() for name, array in result.arrays.items()})
    with open("metrics.json", "w") as file:
        rounds = {"train": result.train_metrics_clientapp, "evaluate": result.evaluate_metrics_clientapp}
        json.dump({kind: {number: dict(record) for number, record in found.items()} for kind, found in rounds.items()}, file)
