"""What a ServerApp may call under Flower alone: replaced by functions that say so, wherever the app calls them.

Guarantees that no simulation and no second server starts inside a run. Modules that flwr itself has not imported are patched when the app
imports them, because flwr.simulation takes a second to import.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from fedsam_client.errors import ClientError

_MAIN = "remove the call, or run it only under if __name__ == '__main__'"
_SIMULATES = "simulates a run: fedsam run is the run"
#: Functions and classes by their modules: name, what it is, remedy.
_CALLS: Dict[str, List[Tuple[str, str, str]]] = {
    "flwr.simulation": [("run_simulation", _SIMULATES, _MAIN), ("start_simulation", _SIMULATES, _MAIN)],
    "flwr.server": [("start_server", "opens a server of Flower's: the ServerApp itself is what FedSAM runs", _MAIN)],
    "flwr.server.workflow.secure_aggregation.secaggplus_workflow": [
        (
            "SecAggPlusWorkflow",
            "is Flower's protocol of secure aggregation, which FedSAM does not run yet: its clients keep private keys in context.state",
            "use DefaultWorkflow() without it",
        )
    ],
}


def patch() -> None:
    """Replaces them, now or when they are imported."""
    for name in _CALLS:
        if name in sys.modules:
            _replace(sys.modules[name])
    sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules above as Python does, with a loader that replaces the names."""

    def find_spec(self, fullname: str, path: Optional[Sequence[str]], target: Any = None) -> Any:
        """None for every other module."""
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target) if fullname in _CALLS else None
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                execute(module)
                _replace(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _replace(module: Any) -> None:
    for name, what, remedy in _CALLS[module.__name__]:
        found = getattr(module, name, None)
        if isinstance(found, type):
            found.__init__ = _refusing(name, what, remedy)  # type: ignore[misc]
        elif found is not None:
            setattr(module, name, _refusing(name, what, remedy))


def _refusing(name: str, what: str, remedy: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise ClientError(f"{name} {what}", remedy, "InvalidJob")

    return refuse
