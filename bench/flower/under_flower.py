"""Flower's own server and client of the benchmark: python under_flower.py server|client ADDRESS MEGABYTES ROUNDS

The server prints a line as each round begins, and one after the last.
"""

import sys

import flwr as fl
from noop import NoopClient


class Timed(fl.server.strategy.FedAvg):
    def configure_fit(self, server_round, parameters, client_manager):
        print(f"round {server_round}", flush=True)
        return super().configure_fit(server_round, parameters, client_manager)


def serve(address: str, rounds: int) -> None:
    strategy = Timed(fraction_evaluate=0.0, min_fit_clients=2, min_available_clients=2)
    config = fl.server.ServerConfig(num_rounds=rounds)
    fl.server.start_server(server_address=address, config=config, strategy=strategy)
    print("over", flush=True)


if __name__ == "__main__":
    role, address, megabytes, rounds = sys.argv[1:]
    if role == "server":
        serve(address, int(rounds))
    else:
        fl.client.start_client(server_address=address, client=NoopClient(int(megabytes)).to_client())
