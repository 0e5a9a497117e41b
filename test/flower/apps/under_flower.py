"""Runs a Flower app under flwr itself: its ServerApp with Flower's strategy, and its ClientApp once for each partition.

python under_flower.py PACKAGE PARTITIONS [--simulation] [name=value]…; the ServerApp leaves its files in the working folder, and this
program final.safetensors beside them. Without --simulation a Grid in this process hands each message to the ClientApp in turn, so a
strategy of the Message API adds in the same order every time.
"""

import importlib
import inspect
import json
import sys
import types

import numpy as np
from fedsam_client import tensors
from flwr.app import Context, Message, RecordDict
from flwr.serverapp import Grid


def context_of(run_config, node_id=0, **node_config):
    values = {"run_id": 1, "node_id": node_id, "node_config": node_config, "state": RecordDict(), "run_config": dict(run_config)}
    return Context(**{name: value for name, value in values.items() if name in inspect.signature(Context).parameters})


class InProcess(Grid):
    """One node for each partition. Each keeps its Context, as under Flower's own engines."""

    def __init__(self, app, partitions, run_config):
        self.app = app
        self.contexts = {
            10 + place: context_of(run_config, 10 + place, **{"partition-id": place, "num-partitions": partitions})
            for place in range(partitions)
        }

    def set_run(self, run):
        raise NotImplementedError

    @property
    def run(self):
        """What an older server asks for."""
        return types.SimpleNamespace(run_id=1)

    def create_message(self, content, message_type, dst_node_id, group_id, ttl=None):
        return Message(content, message_type=message_type, dst_node_id=dst_node_id, group_id=group_id, ttl=ttl)

    def get_node_ids(self):
        return list(self.contexts)

    def push_messages(self, messages):
        raise NotImplementedError

    def pull_messages(self, message_ids):
        raise NotImplementedError

    def send_and_receive(self, messages, *, timeout=None):
        ordered = sorted(messages, key=lambda message: message.metadata.dst_node_id)
        return [self.app(message, self.contexts[message.metadata.dst_node_id]) for message in ordered]


def take_identity():
    try:
        from flwr.supercore.task_identity import TaskIdentity
    except ImportError:  # flwr before 1.38
        return
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1


def main():
    package, partitions, *more = sys.argv[1:]
    run_config = {name: json.loads(value) for name, value in (text.split("=", 1) for text in more if not text.startswith("--"))}
    server = importlib.import_module(f"{package}.server_app").app
    client = importlib.import_module(f"{package}.client_app").app
    if "--simulation" in more:
        simulate(server, client, int(partitions), run_config)
    else:
        take_identity()
        server(InProcess(client, int(partitions), run_config), context_of(run_config))


    with np.load("final.npz") as final:
        tensors.write("final.safetensors", list(final.items()))


def simulate(server, client, partitions, run_config):
    """Under Flower's own simulation, which needs ray. It has no option for run_config, so each app gets it here."""
    from flwr.simulation import run_simulation

    def configured(inner):
        def call(first, context):
            before = dict(context.run_config)
            context.run_config.update(run_config)
            try:
                return inner(first, context)
            finally:
                # Flower refuses a Context whose run_config has changed.
                context.run_config.clear()
                context.run_config.update(before)

        return call

    server._main = configured(server._main)
    for name, function in client._registered_funcs.items():
        client._registered_funcs[name] = configured(function)
    run_simulation(server_app=server, client_app=client, num_supernodes=partitions)


if __name__ == "__main__":
    main()
