"""Serves a ClientApp of Flower's Message API as a client of an ordinary strategy: creates its messages, reads its replies.

Guarantees that the app gets the records, keys and Context that Flower's FedAvg would send it, and that a reply that FedSAM cannot use fails
its call by name. client.py reads and writes the files of tensors; flower.py knows flwr; state.py keeps context.state.
"""

from __future__ import annotations

import numbers
from collections import OrderedDict
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from fedsam_client import flower
from fedsam_client.arguments import Given
from fedsam_client.client import NamedClient
from fedsam_client.errors import ClientError, shortened
from fedsam_client.initial import named_arrays
from fedsam_client.loading import load_value
from fedsam_client.messages import answered, asked
from fedsam_client.state import KeptState

_TRAIN, _EVALUATE, _QUERY = "train", "evaluate", "query"
#: Names of a loss, tried in this order where several metrics have "loss" in their names.
_LOSSES = ("loss", "eval_loss", "eval-loss", "evaluate_loss", "val_loss", "valid_loss", "test_loss")


class AppOptions(NamedTuple):
    """The options of a ClientApp, each with the default of Flower's FedAvg."""

    train_action: str = "default"
    evaluate_action: str = "default"
    arrayrecord_key: str = "arrays"
    configrecord_key: str = "config"
    weighted_by_key: str = "num-examples"
    #: The metric of evaluate that is the loss; empty: the one with "loss" in its name.
    loss: str = ""
    #: What the initial parameters come from: module:name, or query.ACTION; empty: a file of the job.
    initial: str = ""


class AppClient(NamedClient):
    """A ClientApp with the methods of a NumPyClient, for SeamClient."""

    word = _TRAIN

    def __init__(self, app: Any, name: str, given: Given, options: AppOptions) -> None:
        flower.refuse_version(flower.flower_version(), f"the ClientApp {name}")
        flower.refuse_secure(app, name)
        flower.take_identity(flower.node_id(given.client))
        self._app = app
        self._name = name
        self._given = given
        self._options = options
        #: The names of the initial parameters, in order; their arrays would hold memory for the whole run.
        self._initial_names: Optional[List[str]] = None
        self.state = KeptState()
        self.names: List[str] = []
        found = flower.actions(app)
        # An app that only answers other messages serves a strategy that sends those: only an ordinary one needs the function.
        if not found or options.train_action != "default":
            self._need_train()
        if f"{_EVALUATE}.{options.evaluate_action}" not in found:
            if options.evaluate_action != "default":
                raise ClientError(f"{name} has no function for {_EVALUATE}.{options.evaluate_action}", "correct --evaluate-action", "InvalidJob")
            self.evaluate = None  # type: ignore[assignment]

    def message(self, call: Mapping[str, Any]) -> Dict[str, Any]:
        """The answer to a message of a strategy of the user's own."""
        return answered(self._app, self._given, self.state, call)

    def get_parameters(self, config: Mapping[str, Any]) -> List[np.ndarray]:
        """The initial parameters, from what --initial names."""
        self._need_train()
        found = self._initial_arrays()
        if found is None:
            raise ClientError(
                f"{self._name} is a ClientApp, which has no initial parameters: under Flower its ServerApp sends them",
                "start the run from a file (spec.model.initialParameters), or name what makes them: --initial module:function",
            )
        self.names = self._initial_names = [name for name, _ in found]
        return [array for _, array in found]

    def ordered(self, names: Sequence[str]) -> List[str]:
        """The order of the ArrayRecord: as --initial has it, by number where all names are numbers, else by name."""
        if self._initial_names is None:
            self._initial_names = [name for name, _ in self._initial_arrays() or ()]
        if self._initial_names:
            self.names = self._initial_names
            if sorted(self.names) != sorted(names):
                strange = shortened(", ".join(sorted(set(self.names) ^ set(names))), 200)
                raise ClientError(f"the run has other tensors than --initial {self._options.initial}: {strange}", "start the run from those that --initial names, or remove the option", "InvalidJob")
        else:
            are_numbers = all(name.isascii() and name.isdigit() for name in names)
            self.names = sorted(names, key=lambda name: (int(name), name)) if are_numbers else sorted(names)
        return self.names

    def fit(self, parameters: List[np.ndarray], config: Mapping[str, Any]) -> Tuple[List[np.ndarray], int, Dict[str, Any]]:
        """The reply to a train message: arrays in the order of the message, weight, metrics."""
        self._need_train()
        content = self._asked(_TRAIN, self._options.train_action, self._content(parameters, config))
        arrays = _only(content.array_records, "ArrayRecord", _TRAIN)
        metrics = _only(content.metric_records, "MetricRecord", _TRAIN)
        if sorted(arrays) != sorted(self.names):
            strange = sorted(set(arrays) ^ set(self.names))
            raise ClientError(
                f"{_TRAIN} replied with other arrays than it was given: {shortened(', '.join(strange), 200)}",
                "reply with one ArrayRecord that has all names of the message",
            )
        weight = self._weight(_TRAIN, metrics, least=1)
        return [_numpy(name, arrays[name]) for name in self.names], weight, self._others(metrics)

    def evaluate(self, parameters: List[np.ndarray], config: Mapping[str, Any]) -> Tuple[Any, int, Dict[str, Any]]:
        """The reply to an evaluate message: loss, weight, metrics."""
        content = self._asked(_EVALUATE, self._options.evaluate_action, self._content(parameters, config))
        metrics = _only(content.metric_records, "MetricRecord", _EVALUATE)
        weight = self._weight(_EVALUATE, metrics, least=0)
        return (metrics[self._loss_of(metrics)] if weight > 0 else 0.0), weight, self._others(metrics)

    def _need_train(self) -> None:
        found, wanted = flower.actions(self._app), f"{_TRAIN}.{self._options.train_action}"
        if wanted not in found:
            raise ClientError(
                f"{self._name} has no function for {wanted}; it has: {', '.join(found) or 'none'}",
                "write one with @app.train(), or name its action: --train-action ACTION",
                "InvalidJob",
            )

    def _initial_arrays(self) -> Optional[List[Tuple[str, np.ndarray]]]:
        named = self._options.initial
        if not named:
            return None
        category, _, action = named.partition(".")
        if category == _QUERY and ":" not in named:
            return self._queried(action or "default")
        return named_arrays(load_value(named), named)

    def _queried(self, action: str) -> List[Tuple[str, np.ndarray]]:
        from flwr.app import RecordDict

        # Outside of the rounds, so it neither sees nor leaves a state.
        kept, self.state.records = self.state.records, None
        try:
            content = self._asked(_QUERY, action, RecordDict())
        finally:
            self.state.records = kept
        return [(name, _numpy(name, array)) for name, array in _only(content.array_records, "ArrayRecord", _QUERY).items()]

    def _content(self, parameters: List[np.ndarray], config: Mapping[str, Any]) -> Any:
        from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

        arrays = ArrayRecord(OrderedDict((name, Array(np.asarray(array))) for name, array in zip(self.names, parameters)))
        # In Flower's order and by its name: the configured values, then the round.
        sent = {key: value for key, value in config.items() if key not in ("server_round", "seed")}
        sent.update({key: config[name] for name, key in (("server_round", "server-round"), ("seed", "seed")) if name in config})
        return RecordDict({self._options.arrayrecord_key: arrays, self._options.configrecord_key: ConfigRecord(sent)})

    def _asked(self, category: str, action: str, content: Any) -> Any:
        return asked(self._app, category if action == "default" else f"{category}.{action}", content, self._given, self.state)

    def _weight(self, category: str, metrics: Any, least: int) -> int:
        key = self._options.weighted_by_key
        if key not in metrics:
            remedy = f"reply with the number of examples as {key}, or name the metric that has it: --weighted-by-key KEY"
            raise ClientError(f"{category} replied without the metric {key}; it has: {', '.join(metrics) or 'none'}", remedy)
        value = metrics[key]
        if isinstance(value, list) or not isinstance(value, numbers.Real) or value != value or value < least or value % 1 != 0:
            remedy = f"reply with a whole number of at least {least}, such as len(dataset)"
            raise ClientError(f"{category} replied with {shortened(repr(value), 80)} as {key}", remedy)
        return int(value)

    def _others(self, metrics: Any) -> Dict[str, Any]:
        """All other metrics. The elements of a list become metrics with their place in the name."""
        found: Dict[str, Any] = {}
        for key, value in metrics.items():
            if key == self._options.weighted_by_key:
                continue
            found.update({f"{key}.{place}": one for place, one in enumerate(value)} if isinstance(value, list) else {key: value})
        return found

    def _loss_of(self, metrics: Any) -> str:
        wanted = self._options.loss
        candidates = [key for key in metrics if "loss" in key.lower()]
        if wanted:
            candidates = [wanted] if wanted in metrics else []
        if len(candidates) > 1:
            candidates = [key for key in _LOSSES if key in candidates]
        if candidates:
            return candidates[0]
        raise ClientError(
            f"{_EVALUATE} replied without {wanted or 'a metric that is clearly the loss'}; it has: {', '.join(metrics)}",
            "FedSAM compares models by a loss: reply with one, or name the metric that is it: --loss KEY",
        )


def _only(found: Mapping[str, Any], what: str, category: str) -> Any:
    if len(found) == 1:
        return next(iter(found.values()))
    raise ClientError(f"{category} replied with {len(found)} records of type {what}", f"reply with exactly one {what}, as Flower's FedAvg needs")


def _numpy(name: str, array: Any) -> np.ndarray:
    try:
        return array.numpy()
    except Exception as error:
        remedy = "reply with Array(ndarray): an ordinary strategy computes with numbers"
        raise ClientError(f"the array {name} has the form {array.stype}, which FedSAM cannot average", remedy) from error
