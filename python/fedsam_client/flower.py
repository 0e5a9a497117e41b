"""What of Flower a ClientApp needs around it: its version, its task's identity, a Context, and the look into an app.

Guarantees that a version, an action or a mod that FedSAM cannot serve is refused by name before the first call. Imports flwr only where
an app needs it: classes and client_fn run with any version, and without it. app.py makes the calls.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
import sys
from importlib import metadata
from types import SimpleNamespace
from typing import Any, Dict, Iterator, List, Mapping, Optional

from fedsam_client.arguments import Given
from fedsam_client.errors import ClientError

#: The versions whose Message API FedSAM runs. A newer one gets a note in the log.
FIRST, LAST = (1, 22), (1, 42)
_RANGE = f"{FIRST[0]}.{FIRST[1]} to {LAST[0]}.{LAST[1]}"
#: Identities of Flower that apps may print: the run, the task, and the sender of every message, which is Flower's SuperLink.
RUN_ID, TASK_ID, SERVER_ID = 1, 1, 1
#: Mods of a protocol that only Flower's own server side speaks.
_SECURE = ("secaggplus_mod", "secagg_mod")


def flower_version() -> str:
    """The installed version of flwr, such as 1.42.0; empty without it."""
    for package in ("flwr", "flwr-nightly"):
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return ""


def refuse_version(version: str, what: str) -> None:
    """Raises ClientError where this version of flwr has no Message API that FedSAM runs. `what` uses it."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers and numbers < FIRST:
        raise ClientError(
            f"{what} needs the Message API of flwr {_RANGE}, and flwr {version} is installed",
            f"install flwr>={FIRST[0]}.{FIRST[1]}, or name a client_fn or a NumPyClient class, which run with every version",
            "InvalidJob",
        )
    if numbers > LAST:
        print(f"fedsam_client: flwr {version} is newer than {_RANGE}, with which apps were tested", file=sys.stderr)


def missing_in_flower(name: str, error: ImportError) -> Optional[ClientError]:
    """Why a module's import from flwr failed, where the version is the reason; None for every other import."""
    version = flower_version()
    wanted = getattr(error, "name", None) or ""
    if version == "" or wanted.split(".")[0] != "flwr":
        return None
    found = re.search(r"cannot import name '(\w+)'", str(error))
    what = f"{found.group(1)} from {wanted}" if found else wanted
    return ClientError(
        f"{name} imports {what}, which flwr {version} does not have",
        f"FedSAM runs apps of flwr {_RANGE}; install the version that the app was written for",
        "InvalidJob",
    )


def node_id(client: str) -> int:
    """A client's id under Flower: 63 bits of its name's digest, never 0 and never the server's."""
    return max(int.from_bytes(hashlib.sha256(client.encode("utf-8")).digest()[:8], "big") >> 1, SERVER_ID + 1)


def take_identity(own: int) -> None:
    """Tells flwr 1.38 and newer in whose name this process creates messages; older versions need no such identity."""
    try:
        identity = importlib.import_module("flwr.supercore.task_identity").TaskIdentity
    except (ImportError, AttributeError):
        return
    identity.task_id, identity.run_id, identity.node_id = TASK_ID, RUN_ID, own


def compat() -> Any:
    """Flower's conversions between its older calls and RecordDicts, which moved."""
    try:
        return importlib.import_module("flwr.compat.common.recorddict_compat")
    except ImportError:
        return importlib.import_module("flwr.common.recorddict_compat")


def set_fields(message: Any, **fields: Any) -> None:
    """Sets metadata of a message, for which flwr has no public setter: its engine sets them as well."""
    known = message.metadata.__dict__
    known.update({f"_{name}": value for name, value in fields.items() if f"_{name}" in known})


def make_context(given: Given, state: Any = None, node: int = 0) -> Any:
    """A Context as Flower passes it: the partition in node_config, the arguments of --arg in run_config. `node`: the client's id; 0 for a client_fn without an app."""
    place: Dict[str, Any] = {} if given.place is None else {"partition-id": given.place[0], "num-partitions": given.place[1]}
    values: Mapping[str, Any] = {
        "run_id": RUN_ID if node else 0,
        "node_id": node,
        "node_config": {**place, "client": given.client, **given.dataset},
        "run_config": given.converted(),
    }
    return _context(values, state)


def server_context(run_config: Mapping[str, Any]) -> Any:
    """The Context of a ServerApp: the arguments of --arg in run_config, no fields of a node, and an empty state."""
    return _context({"run_id": RUN_ID, "node_id": SERVER_ID, "node_config": {}, "run_config": dict(run_config)}, None)


def _context(values: Mapping[str, Any], state: Any) -> Any:
    context = _class_of("Context")
    if context is None:
        return SimpleNamespace(**values, state=SimpleNamespace())
    wanted = inspect.signature(context).parameters
    known = {key: value for key, value in values.items() if key in wanted}
    if "state" in wanted:
        known["state"] = (_class_of("RecordDict") or _class_of("RecordSet"))() if state is None else state
    return context(**known)


def _class_of(name: str) -> Any:
    """A class of flwr, which newer versions have in flwr.app; None without flwr, or before it had the class."""
    for module in ("flwr.app", "flwr.common"):
        try:
            return getattr(importlib.import_module(module), name)
        except Exception:  # whatever an import of an incomplete flwr raises
            continue
    return None


def is_app(target: Any) -> bool:
    """Whether this is a ClientApp of any version."""
    return any(one.__name__ == "ClientApp" and one.__module__.split(".")[0] == "flwr" for one in type(target).__mro__)


def is_server_app(target: Any) -> bool:
    """Whether this is a ServerApp of any version."""
    return any(one.__name__ == "ServerApp" and one.__module__.split(".")[0] == "flwr" for one in type(target).__mro__)


def has_client_fn(app: Any) -> bool:
    """Whether a ClientApp has a client_fn in place of functions for messages."""
    return getattr(app, "_call", None) is not None


def actions(app: Any) -> List[str]:
    """The kinds of messages that an app has functions for, such as train.default."""
    return sorted(getattr(app, "_registered_funcs", {}))


def refuse_secure(app: Any, name: str) -> None:
    """Raises ClientError for an app with a mod of secure aggregation."""
    for function in _functions([*getattr(app, "_mods", []), *getattr(app, "_registered_funcs", {}).values()]):
        if getattr(function, "__module__", "").startswith("flwr.") and getattr(function, "__name__", "") in _SECURE:
            raise ClientError(
                f"{name} has the mod {function.__name__}, which FedSAM does not run yet",
                "its protocol needs Flower's own workflow at the server, and keeps private keys in context.state, which must not leave the "
                "client (state of type Local): remove the mod",
                "InvalidJob",
            )


def _functions(values: List[Any]) -> Iterator[Any]:
    """These functions, and those that they hold: flwr wraps the mods of a single function around it."""
    seen: List[Any] = []
    while values:
        value = values.pop()
        if not callable(value) or any(value is one for one in seen):
            continue
        seen.append(value)
        yield value
        for cell in getattr(value, "__closure__", None) or ():
            try:
                inner = cell.cell_contents
            except ValueError:  # a cell without a value
                continue
            values.extend(inner if isinstance(inner, (list, tuple)) else [inner])
