"""Finds the class or function that TARGET names and creates a client, with any version of flwr or without it."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from typing import Any, Dict, Tuple

from fedsam_client.arguments import Given, fill
from fedsam_client.errors import ClientError, raised
from fedsam_client.flower import make_context, missing_in_flower
from fedsam_client.targets import refuse_made, refuse_others


def load_target(target: str) -> Any:
    """The object that module:Name or folder/file.py:Name names. Raises ClientError unless it is, or creates, a client."""
    found, module = load_with_module(target)
    refuse_others(_unwrapped(found), target, module)
    return found


def load_value(target: str) -> Any:
    """The object that module:Name names, of any kind."""
    return load_with_module(target)[0]


def load_with_module(target: str) -> Tuple[Any, Any]:
    """The same object with its module."""
    module_name, colon, name = target.rpartition(":")
    if colon == "" or module_name == "" or not name.replace(".", "_").isidentifier():
        raise ClientError(f"{target} does not name a class", "write module:Class, such as client:SAMClient", "InvalidJob")
    module = _import_file(module_name) if module_name.endswith(".py") else _import_module(module_name)
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = ", ".join(sorted(key for key, value in vars(module).items() if _is_local(value, module)))
            raise ClientError(f"{module_name} has no {name}", f"name one of: {known or 'nothing, the module defines no name'}", "InvalidJob")
        found = getattr(found, part)
    return found, module


def _is_local(value: Any, module: Any) -> bool:
    return callable(value) and getattr(value, "__module__", None) == module.__name__


def is_itself(error: ModuleNotFoundError, name: str) -> bool:
    """Whether the module is missing, or a package that it is in, and not one that it imports."""
    return error.name is not None and f"{name}.".startswith(f"{error.name}.")


def _import_module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        older = missing_in_flower(name, error)
        if older is not None:
            raise older from error
        if is_itself(error, name):
            remedy = f"Python searches {os.getcwd()} and the installed packages; or write a path: folder/{name.replace('.', '/')}.py:Class"
            raise ClientError(f"there is no module {name}", remedy, "InvalidJob") from error
        raise ClientError(
            f"{name} imports {error.name}, which is not installed", f"install it: pip install {error.name}", "InvalidJob"
        ) from error
    except ClientError:  # of a call that FedSAM refuses, such as run_simulation
        raise
    except Exception as error:
        older = missing_in_flower(name, error) if isinstance(error, ImportError) else None
        raise older or raised(f"importing {name}", error) from error


def _import_file(path: str) -> Any:
    if not os.path.isfile(path):
        raise ClientError(f"there is no file {os.path.abspath(path)}", "correct the path in the command", "InvalidJob")
    # Its imports are in the same folder, as for a script. Spawned workers must be able to import it by its own name.
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    return _import_module(os.path.splitext(os.path.basename(path))[0])


def make_client(target: Any, name: str, given: Given) -> Any:
    """Calls the class or the client_fn with the arguments of its signature. An existing client is used unchanged."""
    if callable(getattr(target, "fit", None)) and not inspect.isclass(target):
        return _unwrapped(target)
    if not callable(target):
        return _unwrapped(target)
    extra: Dict[str, Any] = {} if inspect.isclass(target) else _extra(target, given)
    arguments = fill(target, name, given, extra)
    try:
        made = target(**arguments)
    except ClientError:
        raise
    except Exception as error:
        raise raised(f"creating {name}", error) from error
    client = _unwrapped(made)
    refuse_made(client, name)
    if hasattr(client, "set_context"):
        client.set_context(make_context(given))
    return client


def _extra(function: Any, given: Given) -> Dict[str, Any]:
    """The special argument of a client_fn: a Context for client_fn(context), the client's name for the older client_fn(cid).

    The parameter's name decides between the two, then its annotation. A single parameter without both is a Context.
    """
    context = make_context(given)
    extra = {"context": context}
    parameters = list(inspect.signature(function).parameters.values())
    for parameter in parameters:
        if parameter.name in given.names:
            continue
        annotation = str(getattr(parameter.annotation, "__name__", parameter.annotation)).rpartition(".")[2]
        if annotation == "Context":
            extra[parameter.name] = context
        elif len(parameters) == 1 and parameter.kind is not parameter.VAR_KEYWORD:
            extra[parameter.name] = given.client if annotation == "str" else context
    return extra


def _unwrapped(client: Any) -> Any:
    """The NumPyClient inside the result of .to_client()."""
    return getattr(client, "numpy_client", client)
