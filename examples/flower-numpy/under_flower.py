"""The same four clients and ten rounds under Flower, on this machine: pip install flwr, then python under_flower.py FILE.npz

FILE receives the parameters after the last round.
"""

import multiprocessing
import sys
from pathlib import Path

import flwr as fl
import numpy as np
from client import DigitsClient

ADDRESS = "127.0.0.1:8089"
ROUNDS = 10


class Kept(fl.server.strategy.FedAvg):
    def aggregate_fit(self, server_round, results, failures):
        parameters, metrics = super().aggregate_fit(server_round, results, failures)
        self.last = fl.common.parameters_to_ndarrays(parameters)
        return parameters, metrics


def take_part(site):
    client = DigitsClient(Path(__file__).parent / "data" / f"site-{site}")
    fl.client.start_client(server_address=ADDRESS, client=client.to_client())


if __name__ == "__main__":
    strategy = Kept(
        min_fit_clients=4,
        min_available_clients=4,
        on_fit_config_fn=lambda server_round: {"server_round": server_round},
    )
    clients = [multiprocessing.get_context("spawn").Process(target=take_part, args=(site,)) for site in range(4)]
    for client in clients:
        client.start()
    fl.server.start_server(
        server_address=ADDRESS,
        config=fl.server.ServerConfig(num_rounds=ROUNDS),
        strategy=strategy,
    )
    for client in clients:
        client.join()
    np.savez(sys.argv[1], *strategy.last)
