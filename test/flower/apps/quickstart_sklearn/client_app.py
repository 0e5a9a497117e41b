"""The client: a few steps of the solver each round."""

import warnings

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from sklearn.metrics import log_loss

from quickstart_sklearn.task import create_model, get_parameters, load_data, set_parameters

app = ClientApp()


@app.train()
def train(msg: Message, context: Context):
    model = set_parameters(create_model(context.run_config["local-epochs"]), msg.content["arrays"].to_numpy_ndarrays())
    (points, labels), _ = load_data(context.node_config["partition-id"], context.node_config["num-partitions"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(points, labels)
    metrics = MetricRecord({"num-examples": len(labels), "train_logloss": float(log_loss(labels, model.predict_proba(points)))})
    return Message(content=RecordDict({"arrays": ArrayRecord(get_parameters(model)), "metrics": metrics}), reply_to=msg)


@app.evaluate()
def evaluate(msg: Message, context: Context):
    model = set_parameters(create_model(), msg.content["arrays"].to_numpy_ndarrays())
    _, (points, labels) = load_data(context.node_config["partition-id"], context.node_config["num-partitions"])
    metrics = {
        "num-examples": len(labels),
        "test_logloss": float(log_loss(labels, model.predict_proba(points), labels=range(10))),
        "accuracy": float(model.score(points, labels)),
    }
    return Message(content=RecordDict({"metrics": MetricRecord(metrics)}), reply_to=msg)
