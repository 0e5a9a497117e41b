"""Adds a number of its own to every parameter: each round and each client has other bytes, so that nobody saves a transfer.

It notes each of its trainings in the file of `trained`.
"""

import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(msg, context):
    with open(context.run_config["trained"], "a") as file:
        file.write("trained\n")
    step = np.float32(np.random.default_rng().uniform(0.001, 0.002))
    arrays = ArrayRecord({name: Array(array.numpy() + step) for name, array in msg.content["arrays"].items()})
    return Message(RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": 1})}), reply_to=msg)
