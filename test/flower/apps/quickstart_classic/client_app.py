"""The client: linear regression by gradient steps. It counts its rounds in context.state."""

import numpy as np
from flwr.client import ClientApp, NumPyClient
from flwr.common import ConfigRecord, Context


def load_data(partition_id):
    numbers = np.random.default_rng(partition_id)
    points = numbers.standard_normal((30 + 10 * partition_id, 4))
    return points, points @ np.array([1.0, -2.0, 0.5, partition_id])


class FlowerClient(NumPyClient):
    def __init__(self, context: Context):
        self.state = context.state
        self.epochs = context.run_config["local-epochs"]
        self.points, self.values = load_data(context.node_config["partition-id"])

    def get_parameters(self, config):
        return [np.zeros(4), np.array(0.0)]

    def fit(self, parameters, config):
        if "rounds" not in self.state:
            self.state["rounds"] = ConfigRecord({"count": 0})
        self.state["rounds"]["count"] += 1
        weights, bias = parameters
        for _ in range(self.epochs):
            error = self.points @ weights + bias - self.values
            weights = weights - 0.1 * self.points.T @ error / len(error)
            bias = np.array(bias - 0.1 * error.mean())
        return [weights, bias], len(self.values), {"rounds": self.state["rounds"]["count"], "server_round": config["server_round"]}

    def evaluate(self, parameters, config):
        weights, bias = parameters
        error = self.points @ weights + bias - self.values
        return float((error**2).mean()), len(self.values), {"largest": float(np.abs(error).max())}


def client_fn(context: Context):
    return FlowerClient(context).to_client()


app = ClientApp(client_fn=client_fn)
