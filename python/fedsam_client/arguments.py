"""Collects the arguments of a class's constructor by name, from the partition's dataset and from --arg.

Guarantees that an argument has the type of its annotation or default, or is refused by name. values.py converts text to values.
"""

from __future__ import annotations

import inspect
import json
import os
import pathlib
import re
import typing
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from fedsam_client.errors import ClientError
from fedsam_client.values import scalar, unquoted

#: Dataset fields whose argument has another name than the field with underscores.
_NAMES = {"root": "dataset_root"}


class Given(NamedTuple):
    """The arguments that are available to a constructor."""

    client: str
    #: By the argument's name: dataset_root, image_subfolder, annotation_subfolder …
    dataset: Mapping[str, Any]
    #: The texts of --arg.
    arguments: Mapping[str, str]
    #: The partition's place in the job, counted from 0, and the number of partitions; None where FedSAM does not say it.
    place: Optional[Tuple[int, int]] = None

    @property
    def names(self) -> List[str]:
        """All available names."""
        return ["cid", "client", *self.dataset, *self.arguments]

    def converted(self) -> Dict[str, Any]:
        """The arguments of --arg as values."""
        return {name: scalar(text, f"--arg {name}") for name, text in self.arguments.items()}


def read_arguments(texts: Sequence[str]) -> Dict[str, str]:
    """Parses the values of --arg, name=value. Raises ClientError for a missing name or value, and for a name given twice."""
    arguments: Dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if equals == "" or name == "":
            raise ClientError(f"--arg {text} does not name an argument", "write name=value", "InvalidJob")
        if name in arguments:
            first = f"--arg {name}={arguments[name]}"
            raise ClientError(f"{first} and --arg {text} give {name} twice", "remove one of them", "InvalidJob")
        arguments[name] = value
    return arguments


def read_given(arguments: Mapping[str, str], environment: Mapping[str, str]) -> Given:
    """Reads --arg, FEDSAM_CLIENT, FEDSAM_DATASET, and the partition's place."""
    text = environment.get("FEDSAM_DATASET", "{}")
    try:
        fields = json.loads(text)
    except ValueError:
        raise ClientError(f"FEDSAM_DATASET is not JSON: {text}", "set it to the partition's dataset as JSON", "InvalidJob") from None
    dataset = {
        _NAMES.get(key, re.sub(r"([A-Z])", r"_\1", key).lower()): value
        for key, value in fields.items()
        if value not in ("", None) and not isinstance(value, (dict, list))
    }
    return Given(environment.get("FEDSAM_CLIENT", "client"), dataset, dict(arguments), _place(environment))


def _place(environment: Mapping[str, str]) -> Optional[Tuple[int, int]]:
    texts = [environment.get(name, "") for name in ("FEDSAM_PARTITION_ID", "FEDSAM_NUM_PARTITIONS")]
    return (int(texts[0]), int(texts[1])) if all(text.isascii() and text.isdigit() for text in texts) else None


def fill(target: Callable[..., Any], name: str, given: Given, extra: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
    """The keyword arguments for a call. Raises ClientError for missing and unknown ones, and for values of another type."""
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):
        parameters = {}
    hints = _hints(target)
    known = {"cid": given.client, "client": given.client, **given.dataset, **(extra or {})}
    filled: Dict[str, Any] = {}
    missing: List[str] = []
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    for parameter in parameters.values():
        if parameter.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            continue
        wanted = hints.get(parameter.name, _type_of_default(parameter))
        if extra and parameter.name in extra and parameter.name in given.arguments and parameter.name not in ("cid", "client"):
            remedy = f"FedSAM itself passes {parameter.name} to {name}: remove the option"
            raise ClientError(f"--arg {parameter.name} cannot be used", remedy, "InvalidJob")
        if parameter.name in given.arguments:
            filled[parameter.name] = convert(given.arguments[parameter.name], wanted, f"--arg {parameter.name}")
        elif parameter.name in known:
            filled[parameter.name] = _as_path(known[parameter.name], wanted)
        elif parameter.default is inspect.Parameter.empty:
            missing.append(parameter.name)
    if missing:
        _complain(name, missing, given)
    # A class with **kwargs gets every --arg, but no dataset that it did not ask for.
    unknown = [key for key in given.arguments if key not in parameters]
    if takes_any:
        filled.update({key: scalar(given.arguments[key], f"--arg {key}") for key in unknown})
    elif unknown and "context" not in parameters and not extra:
        remedy = f"it has: {', '.join(parameters) or 'none'}"
        raise ClientError(f"{name} has no argument {', '.join(unknown)}", remedy, "InvalidJob")
    return filled


def _complain(name: str, missing: List[str], given: Given) -> None:
    remedy = "give it as " + ", ".join(f"--arg {one}=…" for one in missing)
    if set(missing) & {"dataset_root", "image_subfolder", "annotation_subfolder"}:
        remedy += "; or name the folder in the partition's dataset"
    raise ClientError(f"{name} needs {', '.join(missing)}", f"{remedy}; available are: {', '.join(given.names)}", "InvalidJob")


def _hints(target: Any) -> Dict[str, Any]:
    try:
        return typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except Exception:  # an annotation that names what is not there is no reason to fail
        return {}


def _type_of_default(parameter: inspect.Parameter) -> Any:
    """The type of a default; 0 may mean any number."""
    default = parameter.default
    if default is inspect.Parameter.empty or default is None:
        return None
    return float if type(default) is float else Number if type(default) is int else type(default)


class Number:
    """Returns an int or a float, depending on the notation."""


def _as_path(value: Any, wanted: Any) -> Any:
    return pathlib.Path(value) if _is_path(wanted) and isinstance(value, str) else value


def _is_path(wanted: Any) -> bool:
    return inspect.isclass(wanted) and issubclass(wanted, pathlib.PurePath)


def convert(text: str, wanted: Any, what: str) -> Any:
    """Converts the text to the wanted type; by the rule of values.py where the type is unknown."""
    try:
        return _converted(text, wanted, what)
    except ValueError:
        name = getattr(wanted, "__name__", str(wanted)).lower()
        raise ClientError(f"{what}={text} is not of type {name}", "correct the value", "InvalidJob") from None


def _converted(text: str, wanted: Any, what: str) -> Any:
    origin = typing.get_origin(wanted)
    if origin is getattr(typing, "Literal", None) and origin is not None:
        return _choice(text, typing.get_args(wanted))
    if origin in (list, tuple, dict) or wanted in (list, tuple, dict):
        return _collection(text, origin or wanted)
    if typing.get_args(wanted) and not inspect.isclass(wanted):
        return _one_of(text, typing.get_args(wanted), what)
    if wanted is bool:
        return _boolean(text)
    if wanted is str:
        return unquoted(text)
    if wanted is int or wanted is float:
        return wanted(text)
    if wanted is Number:
        return _number(text, what)
    if _is_path(wanted):
        return pathlib.Path(os.path.expanduser(text))
    return scalar(text, what)


def _number(text: str, what: str) -> Any:
    value = scalar(text, what)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(text)
    return value


def _one_of(text: str, options: Sequence[Any], what: str) -> Any:
    """Converts the text to the first type of a union that accepts it. For an Optional, an empty text, None and null mean None."""
    if type(None) in options and text in ("", "None", "none", "null"):
        return None
    for option in options:
        try:
            if option is not type(None):
                return _converted(text, option, what)
        except ValueError:
            continue
    raise ValueError(text)


def _choice(text: str, options: Sequence[Any]) -> Any:
    for option in options:
        if str(option) == text:
            return option
    raise ValueError(text)


def _collection(text: str, wanted: Any) -> Any:
    value = json.loads(text)
    if not isinstance(value, dict if wanted is dict else list):
        raise ValueError(text)
    return tuple(value) if wanted is tuple else value


def _boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered in ("true", "yes", "1", "on"):
        return True
    if lowered in ("false", "no", "0", "off"):
        return False
    raise ValueError(text)
