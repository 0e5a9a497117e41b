"""The server: Flower's older FedAvg. It leaves the model and the metrics of each round in its working folder."""

import json

import numpy as np
from flwr.common import Context, parameters_to_ndarrays
from flwr.server import ServerApp, ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg

METRICS = {"train": {}, "evaluate": {}}


def averaged(kind):
    """A function that averages the metrics of a round by examples."""

    def average(found):
        total = sum(count for count, _ in found)
        METRICS[kind][len(METRICS[kind]) + 1] = {
            name: sum(count * metrics[name] for count, metrics in found) / total for name in found[0][1]
        }
        return METRICS[kind][len(METRICS[kind])]

    return average


class Kept(FedAvg):
    def aggregate_fit(self, server_round, results, failures):
        parameters, metrics = super().aggregate_fit(server_round, results, failures)
        arrays = parameters_to_ndarrays(parameters)
        np.savez("final.npz", **{f"{place:04}": array for place, array in enumerate(arrays)})
        return parameters, metrics

    def aggregate_evaluate(self, server_round, results, failures):
        aggregated = super().aggregate_evaluate(server_round, results, failures)
        with open("metrics.json", "w") as file:
            json.dump(METRICS, file)
        return aggregated


def server_fn(context: Context):
    strategy = Kept(
        min_fit_clients=3,
        min_evaluate_clients=3,
        min_available_clients=3,
        on_fit_config_fn=lambda server_round: {"server_round": server_round},
        fit_metrics_aggregation_fn=averaged("train"),
        evaluate_metrics_aggregation_fn=averaged("evaluate"),
    )
    return ServerAppComponents(config=ServerConfig(num_rounds=context.run_config["num-server-rounds"]), strategy=strategy)


app = ServerApp(server_fn=server_fn)
