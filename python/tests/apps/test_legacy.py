"""Flower's older servers on the strategy seam: the model of flwr itself, the same bytes every time, failures apart from results."""

import os
import unittest
from typing import Any, Dict, List

import numpy as np
from flwr.common import parameters_to_ndarrays
from strategies import under_flower
from test_server import CLIENT, ServerTest

from fedsam_client.flower import node_id

LEGACY = CLIENT.split("    @client.train()")[0] + """
    import os
    from flwr.client import NumPyClient
    from flwr.server import ServerApp, ServerAppComponents, ServerConfig
    from flwr.server.strategy import FedAvg

    class Linear(NumPyClient):
        def __init__(self, context):
            self.points, self.values = data(context)
        def get_parameters(self, config):
            return [np.zeros(4), np.array(0.0)]
        def fit(self, parameters, config):
            w, b = parameters
            error = self.points @ w + b - self.values
            return [w - 0.1 * self.points.T @ error / len(error), np.array(b - 0.1 * error.mean())], len(error), {"round": config["round"]}
        def evaluate(self, parameters, config):
            error = self.points @ parameters[0] + parameters[1] - self.values
            return float((error**2).mean()), len(error), {"largest": float(np.abs(error).max())}

    client = ClientApp(client_fn=lambda context: Linear(context).to_client())

    def mean(found):
        total = sum(count for count, _ in found)
        return {name: sum(count * metrics[name] for count, metrics in found) / total for name in found[0][1]}

    LAST = {}

    class Kept(FedAvg):
        def aggregate_fit(self, server_round, results, failures):
            self.seen = [client.cid for client, _ in results], [str(failure) for failure in failures]
            parameters, metrics = super().aggregate_fit(server_round, results, failures)
            LAST["parameters"] = parameters
            print("ORDER", self.seen)
            return parameters, metrics

    def server_fn(context):
        strategy = Kept(
            min_fit_clients=7, min_evaluate_clients=7, min_available_clients=7, on_fit_config_fn=lambda number: {"round": number},
            fit_metrics_aggregation_fn=mean, evaluate_metrics_aggregation_fn=mean,
        )
        return ServerAppComponents(config=ServerConfig(num_rounds=context.run_config["rounds"], round_timeout=60), strategy=strategy)

    app = ServerApp(server_fn=server_fn)
"""


class Legacy(ServerTest):
    def test_servers_end_with_the_model_that_they_have_under_flower(self) -> None:
        models: List[Any] = []
        for _ in range(3):
            ended = self.ended(LEGACY, "--arg", "rounds=3")
            models.append({name: array.tobytes() for name, array in self.model().items()})
        self.assertEqual(models[1:], models[:1] * 2)
        kinds = [[one["kind"] for one in asked.messages] for asked in ended.exchanges]
        self.assertEqual(kinds, [["get_parameters"], *([["train"] * 7, ["evaluate"] * 7] * 3)])
        self.assertEqual([asked.timeout for asked in ended.exchanges], [60] * 7)
        self.assertEqual(ended.rounds, [(1, 3), (2, 3), (3, 3)])
        os.mkdir(self.path("flower"))
        module = under_flower(self.path("app.py"), self.clients(LEGACY), self.path("flower"), {"rounds": 3})
        for place, array in enumerate(parameters_to_ndarrays(module.LAST["parameters"])):
            np.testing.assert_allclose(self.model()[f"{place:04}"], array, rtol=0, atol=1e-12)
        self.assertEqual(sorted(ended.result["metrics"]), ["evaluate.largest", "evaluate.loss", "train.round"])
        self.assertEqual(ended.result["metrics"]["train.round"], 3.0)

    def test_servers_have_results_in_the_order_of_their_messages_and_failures_apart(self) -> None:
        clients = self.clients(LEGACY)
        answers: Dict[str, Any] = {"south": {"error": {"code": 2, "reason": "no data"}}, "west": None}
        clients.fails = lambda name, kind: answers.get(name, {}) if kind == "train" else {}
        ended = self.ended(LEGACY, "--arg", "rounds=1", clients=clients)
        order = [str(node_id(one["client"])) for one in ended.exchanges[1].messages if one["client"] not in answers]
        (line,) = [line for line in ended.log.split("\n") if line.startswith("ORDER")]
        self.assertIn(repr(order), line)
        self.assertIn("reason: no data", line)
        self.assertIn("reason: Node Unavailable", line)

    def test_servers_wait_for_clients(self) -> None:
        clients = self.clients(LEGACY)
        counts, whole = iter([2]), clients.list
        clients.list = lambda: whole()[: next(counts, 7)]  # type: ignore[method-assign]
        ended = self.ended(LEGACY, "--arg", "rounds=1", clients=clients)
        self.assertEqual([len(asked.messages) for asked in ended.exchanges], [1, 7, 7])


    def test_workflows_end_with_the_same_model(self) -> None:
        self.ended(LEGACY, "--arg", "rounds=2")
        server = {name: array.tobytes() for name, array in self.model().items()}
        text = LEGACY.split("    app = ServerApp(")[0] + """
    from flwr.server import LegacyContext
    from flwr.server.workflow import DefaultWorkflow

    app = ServerApp()

    @app.main()
    def main(grid, context):
        made = server_fn(context)
        DefaultWorkflow()(grid, LegacyContext(context=context, config=made.config, strategy=made.strategy))
"""
        ended = self.ended(text, "--arg", "rounds=2")
        self.assertEqual({name: array.tobytes() for name, array in self.model().items()}, server)
        self.assertEqual(sorted(ended.result["metrics"]), ["evaluate.largest", "evaluate.loss", "train.round"])
        self.assertEqual([number for number, _ in ended.rounds], [1, 2])


if __name__ == "__main__":
    unittest.main()
