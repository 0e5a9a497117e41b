"""The files that a ServerApp writes to its working folder: kept apart from those of the seam, and named in the run's output at the end.

Guarantees that a file keeps the app's own name wherever the output may have it; any other gets a plain name in the folder app. An output
has at most one level of folders, and files of its own such as metrics.json.
"""

from __future__ import annotations

import os
import re
import sys
from typing import List, Optional

#: What an output writes itself.
_TAKEN = ("model.safetensors", "metrics.json", "provenance.json", "readme.md", "manifest.json", "signatures", "checkpoint", "app")
_PART = r"(?!.*\.\.)[A-Za-z0-9_-][A-Za-z0-9._-]*"
_NAME = re.compile(f"{_PART}(/{_PART})?")
_LONGEST, _MOST = 100, 256


def working_folder(scratch: str) -> str:
    """Creates the app's own working folder, and goes there."""
    folder = os.path.join(scratch, "_app")
    os.mkdir(folder)
    os.chdir(folder)
    return folder


def stage(folder: str, scratch: str) -> List[str]:
    """Moves the app's regular files to where a result may name them. Returns their names, sorted."""
    names: List[str] = []
    for path in _files(folder):
        name = _name_of(path, scratch)
        if name is None or len(names) == _MOST:
            print(f"fedsam_client: the output leaves out {path}: it has at most {_MOST} files, each with a name of its own", file=sys.stderr)
            continue
        target = os.path.join(scratch, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.rename(os.path.join(folder, path), target)
        if name != path:
            print(f"fedsam_client: the app's file {path} is {name} in the output", file=sys.stderr)
        names.append(name)
    return sorted(names)


def _files(folder: str) -> List[str]:
    found: List[str] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if one != "__pycache__"]
        paths = [os.path.join(place, name) for name in names]
        found.extend(os.path.relpath(path, folder) for path in paths if os.path.isfile(path) and not os.path.islink(path))
    return sorted(found)


def _name_of(path: str, scratch: str) -> Optional[str]:
    """The name of a file in the output: its own, or a plain one in the folder app."""
    plain = "app/" + re.sub(r"\.\.+", ".", re.sub(r"[^A-Za-z0-9._-]", "-", path)).lstrip(".")
    own = path if path.split("/")[0].lower() not in _TAKEN else ""
    return next((name for name in (own, plain) if _is_free(name, scratch)), None)


def _is_free(name: str, scratch: str) -> bool:
    if len(name) > _LONGEST or _NAME.fullmatch(name) is None:
        return False
    # No two names may differ in case alone, and none may be a file and a folder.
    taken = {one.lower() for one in _files(scratch) if not one.startswith("_app/")}
    folders = {os.path.dirname(one) for one in taken}
    return name.lower() not in taken | folders and os.path.dirname(name.lower()) not in taken
