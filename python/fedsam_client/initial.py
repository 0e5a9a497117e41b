"""Turns what --initial names into the run's initial parameters: a model, a state dict, an ArrayRecord, a list, or a function that makes one.

Guarantees an order of the names, which a file of tensors does not have. It imports no framework: it recognises objects by their methods.
"""

from __future__ import annotations

from typing import Any, List, Mapping, Tuple

import numpy as np

from fedsam_client.errors import ClientError, raised


def named_arrays(value: Any, name: str) -> List[Tuple[str, np.ndarray]]:
    """The arrays with their names, in order. A list has the names 0, 1 …, as in Flower's ArrayRecord."""
    found = _made(value, name)
    if hasattr(found, "state_dict"):
        found = found.state_dict()
    elif hasattr(found, "get_weights"):
        found = found.get_weights()
    pairs = list(found.items()) if isinstance(found, Mapping) else _numbered(found, name)
    if not pairs:
        raise ClientError(f"--initial {name} has no arrays", "name a model, a state dict, or a list of arrays", "InvalidJob")
    return [(str(key), _array(one, f"{key} of --initial {name}")) for key, one in pairs]


def _made(value: Any, name: str) -> Any:
    """The result of a function or of a class without arguments. A model is callable too, and is not called."""
    if not callable(value) or (hasattr(value, "state_dict") and not isinstance(value, type)):
        return value
    if hasattr(value, "get_weights") and not isinstance(value, type):
        return value
    try:
        return value()
    except Exception as error:
        raise raised(f"calling {name} for --initial", error, "InvalidJob") from error


def _numbered(found: Any, name: str) -> List[Tuple[str, Any]]:
    if isinstance(found, (list, tuple)):
        return [(str(place), one) for place, one in enumerate(found)]
    remedy = "name a model, a state dict, an ArrayRecord, a list of arrays, or a function that returns one of them"
    raise ClientError(f"--initial {name} is a {type(found).__name__}", remedy, "InvalidJob")


def _array(value: Any, what: str) -> np.ndarray:
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu()
        return np.asarray(value.numpy() if callable(getattr(value, "numpy", None)) else value)
    except Exception as error:
        raise raised(f"reading array {what}", error, "InvalidJob") from error
