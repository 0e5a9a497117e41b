"""The arguments of a class's constructor, by name: from the partition's dataset, from --arg, each of the type it asks for."""

from __future__ import annotations

import inspect
import json
import os
import pathlib
import re
import typing
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional

from fedsam_client.errors import ClientError

#: The dataset's fields whose argument is not the same name with underscores.
_NAMES = {"root": "dataset_root"}
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
_WORDS = {"true": True, "false": False}


class Given(NamedTuple):
    """What is at hand for a constructor."""

    client: str
    #: By the argument's name: dataset_root, image_subfolder, annotation_subfolder …
    dataset: Mapping[str, Any]
    #: As they were written behind --arg.
    arguments: Mapping[str, str]

    @property
    def names(self) -> List[str]:
        """Every name that can be filled."""
        return ["cid", "client", *self.dataset, *self.arguments]

    def converted(self) -> Dict[str, Any]:
        """The arguments of --arg, numbers as numbers."""
        return {name: scalar(text) for name, text in self.arguments.items()}


def read_given(arguments: Mapping[str, str], environment: Mapping[str, str]) -> Given:
    """From --arg, FEDSAM_CLIENT and FEDSAM_DATASET."""
    text = environment.get("FEDSAM_DATASET", "{}")
    try:
        fields = json.loads(text)
    except ValueError:
        raise ClientError(f"FEDSAM_DATASET is not JSON: {text}", "", "InvalidJob") from None
    dataset = {
        _NAMES.get(key, re.sub(r"([A-Z])", r"_\1", key).lower()): value
        for key, value in fields.items()
        if value not in ("", None) and not isinstance(value, (dict, list))
    }
    return Given(environment.get("FEDSAM_CLIENT", "client"), dataset, dict(arguments))


def scalar(text: str) -> Any:
    """A number where the text is written as one, true and false, else the text."""
    if _NUMBER.fullmatch(text):
        return float(text) if set(text) & set(".eE") else int(text)
    return _WORDS.get(text, text)


def fill(target: Callable[..., Any], name: str, given: Given, extra: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
    """The keyword arguments for a call. Throws ClientError for those that are missing, unknown or of another type."""
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
        if parameter.name in given.arguments:
            filled[parameter.name] = convert(given.arguments[parameter.name], wanted, f"--arg {parameter.name}")
        elif parameter.name in known:
            filled[parameter.name] = _as_path(known[parameter.name], wanted)
        elif parameter.default is inspect.Parameter.empty:
            missing.append(parameter.name)
    if missing:
        _complain(name, missing, given)
    # With **kwargs a class takes what it is given by hand; a dataset is not pressed on anybody.
    unknown = [key for key in given.arguments if key not in parameters]
    if takes_any:
        filled.update({key: scalar(given.arguments[key]) for key in unknown})
    elif unknown and "context" not in parameters and not extra:
        remedy = f"it has: {', '.join(parameters) or 'none'}"
        raise ClientError(f"{name} has no argument {', '.join(unknown)}", remedy, "InvalidJob")
    return filled


def _complain(name: str, missing: List[str], given: Given) -> None:
    remedy = "give it as " + ", ".join(f"--arg {one}=…" for one in missing)
    if set(missing) & {"dataset_root", "image_subfolder", "annotation_subfolder"}:
        remedy += "; or name the folder in the partition's dataset"
    raise ClientError(f"{name} needs {', '.join(missing)}", f"{remedy}; known are: {', '.join(given.names)}", "InvalidJob")


def _hints(target: Any) -> Dict[str, Any]:
    try:
        return typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except Exception:  # an annotation that names what is not there is no reason to fail
        return {}


def _type_of_default(parameter: inspect.Parameter) -> Any:
    default = parameter.default
    return None if default is inspect.Parameter.empty or default is None else type(default)


def _as_path(value: Any, wanted: Any) -> Any:
    return pathlib.Path(value) if _is_path(wanted) and isinstance(value, str) else value


def _is_path(wanted: Any) -> bool:
    return inspect.isclass(wanted) and issubclass(wanted, pathlib.PurePath)


def convert(text: str, wanted: Any, what: str) -> Any:
    """The text as the type that is wanted; where nothing is known of it, numbers become numbers."""
    try:
        return _converted(text, wanted)
    except ValueError:
        name = getattr(wanted, "__name__", str(wanted))
        raise ClientError(f"{what}={text} is not of type {name}", "", "InvalidJob") from None


def _converted(text: str, wanted: Any) -> Any:
    options = [one for one in typing.get_args(wanted) if one is not type(None)]
    if options and not inspect.isclass(wanted) and typing.get_origin(wanted) not in (list, tuple, dict):
        if len(options) < len(typing.get_args(wanted)) and text in ("", "None", "none"):
            return None
        return _converted(text, options[0])
    if wanted is bool:
        return _boolean(text)
    if wanted in (int, float, str):
        return wanted(text)
    if _is_path(wanted):
        return pathlib.Path(os.path.expanduser(text))
    if wanted in (list, tuple, dict) or typing.get_origin(wanted) in (list, tuple, dict):
        value = json.loads(text)
        return tuple(value) if tuple in (wanted, typing.get_origin(wanted)) else value
    return scalar(text)


def _boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered in ("true", "yes", "1", "on"):
        return True
    if lowered in ("false", "no", "0", "off"):
        return False
    raise ValueError(text)
