"""Explains a target that is not a client: a ServerApp, an agent, a simulation, a model of a framework, a module, a plain value.

Guarantees that the message names the kind of the target, and a class or function of the same module to use instead. It imports none
of those frameworks: it recognises classes by their names.
"""

from __future__ import annotations

import inspect
import types
from typing import Any, List, NamedTuple, Optional

from fedsam_client.errors import ClientError
from fedsam_client.flower import is_app, is_server_app

#: The remedy where the module offers no client.
WANTED = "name a class with fit(self, parameters, config), such as a flwr.client.NumPyClient, a client_fn, or a ClientApp"


class Kind(NamedTuple):
    """A class of a framework, by the first part of its module and its name."""

    packages: tuple
    class_name: str
    what: str
    remedy: str


_FLOWER = ("flwr",)
_APP = "name the ClientApp, the NumPyClient class or the client_fn"
_WRAP = "write a NumPyClient that holds it: fit(self, parameters, config) sets its weights, trains it and returns them; name that"
_KINDS = (
    Kind(
        _FLOWER,
        "ServerApp",
        "a Flower ServerApp: FedSAM's coordinator does the server's work",
        "set strategy and rounds in the job, and name the ClientApp, the NumPyClient class or the client_fn here; or let it be the strategy: "
        "python -m fedsam_client.server runs it",
    ),
    Kind(
        _FLOWER,
        "Strategy",
        "a Flower strategy: FedSAM's coordinator aggregates",
        "set spec.strategy in the job, and name the ClientApp, the NumPyClient class or the client_fn here",
    ),
    Kind(_FLOWER, "AgentApp", "a Flower AgentApp: FedSAM runs no agents", _APP),
    Kind(_FLOWER, "AgentConnectors", "a set of Flower's connectors for agents, which FedSAM does not have", _APP),
    Kind(_FLOWER, "AgentGrid", "a Flower grid for agents: FedSAM runs no agents", _APP),
    Kind(_FLOWER, "Grid", "a Flower grid, which belongs to a ServerApp", _APP),
    Kind(_FLOWER, "Driver", "a Flower driver, which belongs to a ServerApp", _APP),
    Kind(
        _FLOWER,
        "Client",
        "a flwr Client with protocol messages",
        "write it as a NumPyClient, whose methods take and return lists of arrays",
    ),
    Kind(("torch",), "Module", "a PyTorch model", _WRAP),
    Kind(("keras", "tensorflow", "tf_keras"), "Model", "a Keras model", _WRAP),
    Kind(("sklearn",), "BaseEstimator", "a scikit-learn estimator", _WRAP),
    Kind(("lightning", "pytorch_lightning"), "Trainer", "a Lightning trainer", _WRAP),
    Kind(("transformers",), "Trainer", "a Hugging Face trainer", _WRAP),
    Kind(("torch",), "Dataset", "a PyTorch data set", WANTED),
)


def refuse_others(target: Any, name: str, module: Any = None) -> None:
    """Raises ClientError for a target that neither is nor creates a client."""
    if is_app(target):
        return
    _refuse_functions(target, name, module)
    kind = _kind_of(target)
    if kind is not None:
        raise _refused(name, kind.what, kind.remedy, module)
    if isinstance(target, types.ModuleType):
        inside = ", ".join(f"{name.replace(':', '.')}:{one}" for one in candidates(target))
        raise ClientError(f"{name} is a module", f"name a class in it: {inside}" if inside else WANTED, "InvalidJob")
    if inspect.iscoroutinefunction(target) or inspect.isasyncgenfunction(target):
        raise _refused(name, "an async function, which FedSAM does not await", "write it as a plain function", module)
    if inspect.isclass(target) and not callable(getattr(target, "fit", None)):
        raise _refused(name, "a class that has no method fit", WANTED, module)
    if not callable(target) and not callable(getattr(target, "fit", None)):
        raise _refused(name, f"{_article(target)}, which has no method fit", WANTED, module)


def _refuse_functions(target: Any, name: str, module: Any) -> None:
    """Raises ClientError for a function of flwr itself: one that starts a simulation, a server or a client of Flower."""
    origin = str(getattr(target, "__module__", ""))
    if not inspect.isfunction(target) or origin.split(".")[0] != "flwr":
        return
    function = target.__name__
    what = f"Flower's {function}, which only simulates: FedSAM starts a trainer for each partition" if "simulation" in f"{origin}.{function}" else (
        f"Flower's own function {function}"
    )
    raise _refused(name, what, _APP, module)


def refuse_made(made: Any, name: str) -> None:
    """Raises ClientError where a call of the target did not return a client."""
    if is_app(made):
        remedy = "name the ClientApp itself: assign it to a name of the module, such as app"
        raise ClientError(f"{name} returned a Flower ClientApp", remedy, "InvalidJob")
    kind = _kind_of(made)
    if kind is not None:
        raise ClientError(f"{name} returned {kind.what}", kind.remedy, "InvalidJob")
    if not callable(getattr(made, "fit", None)):
        what = "None" if made is None else f"{_article(made)}, which has no method fit"
        raise ClientError(f"{name} returned {what}", "return a NumPyClient, or NumPyClient().to_client()", "InvalidJob")


def refuse_other_server(target: Any, name: str, module: Any) -> None:
    """Raises ClientError for a target that is no ServerApp."""
    if is_server_app(target):
        return
    kind = _kind_of(target)
    if is_app(target):
        what = "a ClientApp, which runs at the clients: python -m fedsam_client"
    elif kind is not None and kind.class_name.startswith("Agent"):
        what = kind.what
    else:
        what = f"{_article(target)}, and no ServerApp" if not inspect.isclass(target) else "a class, and no ServerApp"
    inside = [f"{name.rpartition(':')[0]}:{key}" for key, value in vars(module).items() if is_server_app(value)]
    remedy = "name a Flower ServerApp" + (f"; here that is {' or '.join(sorted(inside))}" if inside else ": app = ServerApp()")
    raise ClientError(f"{name} is {what}", remedy, "InvalidJob")


def candidates(module: Any) -> List[str]:
    """The usable names of a module: its ClientApps, its functions called client_fn…, then its own classes with a method fit."""
    own = [(key, value) for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
    apps = [key for key, value in vars(module).items() if is_app(value)]
    functions = [key for key, value in own if inspect.isfunction(value) and "client_fn" in key]
    classes = [key for key, value in own if inspect.isclass(value) and callable(getattr(value, "fit", None)) and not _kind_of(value)]
    return sorted(apps) + sorted(functions) + sorted(classes)


def _refused(name: str, what: str, remedy: str, module: Any) -> ClientError:
    prefix = name.rpartition(":")[0]
    found = [] if module is None else [one for one in candidates(module) if one != name.rpartition(":")[2]]
    offer = f"; here that is {' or '.join(f'{prefix}:{one}' for one in found)}" if found else ""
    return ClientError(f"{name} is {what}", remedy + offer, "InvalidJob")


def _kind_of(target: Any) -> Optional[Kind]:
    classes = target.__mro__ if inspect.isclass(target) else type(target).__mro__
    names = {(one.__module__.split(".")[0], one.__name__) for one in classes}
    if any(name == "NumPyClient" for _, name in names):
        return None
    return next((kind for kind in _KINDS if any((package, kind.class_name) in names for package in kind.packages)), None)


def _article(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
