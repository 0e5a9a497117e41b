"""The client: trains with momentum, which it keeps in context.state, and evaluates."""

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.clientapp.mod import message_size_mod

from quickstart_numpy.task import load_data, load_model, loss_of, predict, train_epoch


def clip_mod(message: Message, context: Context, call_next):
    """Bounds the norm of what a round changed."""
    before = {name: array.numpy() for name, array in next(iter(message.content.array_records.values())).items()}
    reply = call_next(message, context)
    record = next(iter(reply.content.array_records.values()))
    norm = np.sqrt(sum(float(((record[name].numpy() - value) ** 2).sum()) for name, value in before.items()))
    scale = min(1.0, context.run_config["clip"] / norm)
    for name, value in before.items():
        record[name] = Array(value + (record[name].numpy() - value) * scale)
    next(iter(reply.content.metric_records.values()))["update_norm"] = norm
    return reply


app = ClientApp(mods=[message_size_mod])


@app.train(mods=[clip_mod])
def train(msg: Message, context: Context):
    model = {name: array.numpy() for name, array in msg.content["arrays"].items()}
    partition_id, num_partitions = context.node_config["partition-id"], context.node_config["num-partitions"]
    data, _ = load_data(partition_id, num_partitions)
    if "velocity" not in context.state:
        context.state["velocity"] = ArrayRecord({name: Array(np.zeros_like(value)) for name, value in model.items()})
        context.state["seen"] = MetricRecord({"rounds": 0})
    velocity = {name: array.numpy() for name, array in context.state["velocity"].items()}
    lr = msg.content["config"]["lr"] / msg.content["config"]["server-round"] ** 0.5
    for _ in range(context.run_config["local-epochs"]):
        loss = train_epoch(model, velocity, data, lr, context.run_config["momentum"])
    context.state["velocity"] = ArrayRecord({name: Array(value) for name, value in velocity.items()})
    context.state["seen"]["rounds"] += 1
    metrics = {"train_loss": loss, "num-examples": len(data[1]), "rounds": context.state["seen"]["rounds"]}
    content = RecordDict({"arrays": ArrayRecord({name: Array(value) for name, value in model.items()}), "metrics": MetricRecord(metrics)})
    return Message(content=content, reply_to=msg)


@app.evaluate()
def evaluate(msg: Message, context: Context):
    model = {name: array.numpy() for name, array in msg.content["arrays"].items()}
    _, (points, labels) = load_data(context.node_config["partition-id"], context.node_config["num-partitions"])
    _, chance = predict(model, points)
    metrics = {"eval_loss": loss_of(chance, labels), "eval_acc": float(np.mean((chance > 0.5) == labels)), "num-examples": len(labels)}
    return Message(content=RecordDict({"metrics": MetricRecord(metrics)}), reply_to=msg)


@app.query()
def query(msg: Message, context: Context):
    arrays = ArrayRecord({name: Array(value) for name, value in load_model().items()})
    return Message(content=RecordDict({"arrays": arrays}), reply_to=msg)
