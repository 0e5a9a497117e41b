"""What FedSAM sees of a ServerApp's strategy while it runs: its round, its number of rounds, and the last result with arrays and metrics.

Guarantees that nothing of the app changes: it wraps Strategy.start of flwr, before the app is imported, so a strategy of the app's own is
seen too. legacy.py does the same for Flower's older servers. grid.py reports the messages; server.py sends the result.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import math
import sys
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple

import numpy as np

from fedsam_client import tensors
from fedsam_client.errors import ClientError, shortened

Named = List[Tuple[str, np.ndarray]]


class Seen:
    """The state of the run as the app's strategy shows it."""

    def __init__(self, report: Callable[[int, Optional[int]], None]) -> None:
        self._report = report
        self._round = 0
        self._of: Optional[int] = None
        #: The arrays of the last result, by the names of its ArrayRecord; None: no strategy has ended yet.
        self.model: Optional[Named] = None
        self.metrics: Dict[str, float] = {}

    def starting(self, rounds: Any) -> None:
        """A strategy starts, with this number of rounds if it is one."""
        self._round, self._of = 0, rounds if isinstance(rounds, int) else None

    def sending(self, messages: Iterable[Any]) -> None:
        """Reports the round that a message names: Flower's strategies write it into the ConfigRecord, the older ones into the group."""
        found = next((number for number in map(_round_of, messages) if number), 0)
        if found and found != self._round:
            self._round = found
            self._report(found, self._of)

    def ended(self, model: Named, metrics: Mapping[str, Any]) -> None:
        """Remembers a result in place of any before."""
        self.model = model
        self.metrics = numbers_of(metrics)


def watch(seen: Seen) -> None:
    """Wraps Strategy.start, and the start of every class that overrides it."""
    strategy = importlib.import_module("flwr.serverapp.strategy").Strategy
    strategy.start = _watched(strategy.start, seen)

    def init_subclass(cls: Any, **named: Any) -> None:
        super(strategy, cls).__init_subclass__(**named)
        if "start" in cls.__dict__:
            cls.start = _watched(cls.__dict__["start"], seen)

    strategy.__init_subclass__ = classmethod(init_subclass)


def _watched(start: Callable[..., Any], seen: Seen) -> Callable[..., Any]:
    @functools.wraps(start)
    def watched(*arguments: Any, **named: Any) -> Any:
        given = _given(start, arguments, named)
        seen.starting(given.get("num_rounds"))
        if hasattr(given.get("initial_arrays"), "items"):
            model_of(given["initial_arrays"])  # refused now, and not after the last round
        result = start(*arguments, **named)
        if hasattr(result, "train_metrics_clientapp") and hasattr(result, "arrays"):
            seen.ended(model_of(result.arrays), _metrics_of(result))
        return result

    return watched


def _given(function: Callable[..., Any], arguments: Any, named: Mapping[str, Any]) -> Dict[str, Any]:
    try:
        bound = inspect.signature(function).bind(*arguments, **named)
    except TypeError:  # the call itself will say so
        return {}
    bound.apply_defaults()
    return bound.arguments


def _round_of(message: Any) -> int:
    for record in message.content.config_records.values():
        found = record.get("server-round")
        if isinstance(found, int) and found > 0:
            return found
    group = message.metadata.group_id
    return int(group) if group.isascii() and group.isdigit() and len(group) < 10 else 0


def model_of(arrays: Any) -> Named:
    """The arrays of an ArrayRecord. Raises ClientError for one that a file of safetensors cannot hold."""
    found: Named = []
    for name, array in arrays.items():
        if name in ("", "__metadata__"):
            remedy = "give the array another name: the model of the run is a file of safetensors"
            raise ClientError(f"the model has an array with the name {name!r}, which no file of safetensors can hold", remedy, "InvalidJob")
        found.append((name, _numbers(name, array)))
    return found


def _numbers(name: str, array: Any) -> np.ndarray:
    try:
        numbers = array.numpy()
    except Exception as error:
        remedy = "give strategy.start an Array(ndarray): the model of the run is a file of safetensors"
        raise ClientError(f"the array {name} of the model has the form {array.stype}, which no file of safetensors can hold", remedy, "InvalidJob") from error
    try:
        tensors.spec_of(name, numbers)
    except ClientError as error:
        raise ClientError(f"the model of the run is a file of safetensors: {error.message}", error.remedy, "InvalidJob") from error
    return numbers


def _metrics_of(result: Any) -> Dict[str, Any]:
    """The metrics of the last round of each kind, as train.NAME, evaluate.NAME and server.NAME."""
    kinds = {
        "train": result.train_metrics_clientapp,
        "evaluate": result.evaluate_metrics_clientapp,
        "server": result.evaluate_metrics_serverapp,
    }
    return {f"{kind}.{name}": value for kind, rounds in kinds.items() if rounds for name, value in rounds[max(rounds)].items()}


def numbers_of(metrics: Mapping[str, Any]) -> Dict[str, float]:
    """The finite numbers. The elements of a list become metrics with their place in the name; anything else is dropped with a note."""
    found: Dict[str, float] = {}
    for name, value in metrics.items():
        elements = value if isinstance(value, list) else [value]
        for place, element in enumerate(elements):
            key = f"{name}.{place}" if isinstance(value, list) else name
            try:
                number = float(element)
            except (TypeError, ValueError, OverflowError):
                number = math.nan
            if math.isfinite(number):
                found[key] = number
            else:
                print(f"fedsam_client: the metric {key} is {shortened(repr(element), 80)}, no finite number: it is dropped", file=sys.stderr)
    return found
