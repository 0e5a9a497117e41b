"""python -m fedsam_client.project FOLDER [--run-config TEXT]…: prints what a job needs of a Flower app's folder, as JSON; fedsam flower reads it.

Guarantees that the values of run_config keep their types through --arg, and that what FedSAM cannot run of an app is refused by name. It
reads pyproject.toml with the Python of the app, and imports nothing of the app.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import re
import sys
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from fedsam_client.errors import ClientError, shortened
from fedsam_client.values import scalar

#: name=value, with quotes around a value that has spaces: as flwr run reads --run-config.
_PAIR = re.compile(r"(\S+?)=('[^']*'|\"[^\"]*\"|\S+)")


def main(args: Optional[List[str]] = None) -> int:
    """Prints one line of JSON: the project, or its error. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m fedsam_client.project", description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--run-config", action="append", default=[], metavar="TEXT")
    parsed = parser.parse_args(sys.argv[1:] if args is None else args)
    try:
        print(json.dumps(read(parsed.folder, parsed.run_config)))
        return 0
    except ClientError as error:
        print(json.dumps({"error": {"message": error.message, "remedy": error.remedy}}))
        return 1


def read(folder: str, overrides: List[str]) -> Dict[str, Any]:
    """Name, targets, the texts of --arg, and the number of nodes if the project has one."""
    path = os.path.join(folder, "pyproject.toml")
    project = _loaded(path)
    app = project.get("tool", {}).get("flwr", {}).get("app")
    if not isinstance(app, dict):
        raise ClientError(f"{path} has no [tool.flwr.app]", "name the folder of a Flower app, which flwr new creates")
    components = app.get("components", {})
    for kind in sorted(set(components) - {"serverapp", "clientapp"}):
        raise ClientError(f"{path} has the component {kind}, which FedSAM does not run", "FedSAM runs a serverapp with a clientapp")
    for kind in ("serverapp", "clientapp"):
        if ":" not in str(components.get(kind, "")):
            raise ClientError(f"{path} names no {kind} in [tool.flwr.app.components]", f'write {kind} = "package.module:app"')
    config = dict(_flat(app.get("config", {}), path))
    for text in overrides:
        config.update(_overridden(text, config, path))
    return {
        "name": str(project.get("project", {}).get("name", "")),
        "serverapp": components["serverapp"],
        "clientapp": components["clientapp"],
        "arguments": [f"{name}={text_of(name, value)}" for name, value in config.items()],
        "nodes": _nodes(project["tool"]["flwr"]),
    }


def _loaded(path: str) -> Dict[str, Any]:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ClientError(f"{path} cannot be read: {error.strerror}", "name the folder of a Flower app, which has a pyproject.toml") from error
    return _parsed(data, path)


def _parsed(data: bytes, what: str) -> Dict[str, Any]:
    toml = next((found for found in map(_imported, ("tomllib", "tomli")) if found is not None), None)
    if toml is None:
        raise ClientError("this Python reads no TOML", "use Python 3.11 or newer, or install flwr, which brings tomli")
    try:
        return toml.loads(data.decode("utf-8"))
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError
        raise ClientError(f"{what} is not TOML: {shortened(str(error), 200)}", "correct it") from error


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _flat(table: Mapping[str, Any], what: str, before: str = "") -> Iterator[Tuple[str, Any]]:
    """The values of a table by their dotted names, as Flower names them in run_config."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, what, f"{before}{key}.")
        elif isinstance(value, (bool, int, float, str)):
            yield f"{before}{key}", value
        else:
            raise ClientError(f"{before}{key} in {what} is a {type(value).__name__}", "a run_config has numbers, texts, true and false")


def _overridden(text: str, config: Mapping[str, Any], path: str) -> Dict[str, Any]:
    """The values of one --run-config: pairs, or the name of a TOML file."""
    if "=" not in text:
        table = _loaded(text)
    else:
        pairs = _PAIR.findall(text)
        if " ".join(f"{name}={value}" for name, value in pairs) != " ".join(text.split()):
            raise ClientError(f"--run-config {text} is no list of name=value", "write pairs with a space between them, and quotes around texts")
        table = _parsed("\n".join(f"{name} = {value}" for name, value in pairs).encode("utf-8"), f"--run-config {text}")
    found = dict(_flat(table, f"--run-config {text}"))
    unknown = [name for name in found if name not in config]
    if unknown:
        remedy = f"[tool.flwr.app.config] in {path} has: {', '.join(config) or 'none'}"
        raise ClientError(f"--run-config sets {unknown[0]}, which the app does not have", remedy)
    return found


def text_of(name: str, value: Any) -> str:
    """The text of --arg that values.py converts to this value again."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        raise ClientError(f"{name} is {value}, which --arg cannot carry", "write a finite number")
    if not isinstance(value, str):
        return repr(value)
    try:
        is_same = scalar(value, name) == value
    except ClientError:
        is_same = False
    return value if is_same else json.dumps(value)


def _nodes(flower: Mapping[str, Any]) -> Optional[int]:
    """The number of SuperNodes of the project's default federation; newer versions of flwr keep it elsewhere."""
    federations = flower.get("federations", {})
    found = federations.get(federations.get("default", ""), {})
    nodes = found.get("options", {}).get("num-supernodes") if isinstance(found, dict) else None
    return nodes if isinstance(nodes, int) and nodes > 0 else None


if __name__ == "__main__":
    sys.exit(main())
