"""python -m fedsam_client module:Class [--arg name=value]…: serves a NumPyClient on the seam until the input ends."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from typing import Any, Dict, List, Optional, Tuple

from fedsam_client.arguments import read_arguments, read_given
from fedsam_client.errors import ClientError
from fedsam_client.loading import load_target, make_client
from fedsam_client.seam import Pulse, Seam


def main(args: Optional[List[str]] = None) -> int:
    """Returns the exit code: 0 when the input ended, 1 when the client could not be created."""
    target, arguments = _read(sys.argv[1:] if args is None else args)
    # Protect the seam before the imports of numpy and the class, which may print.
    seam = Seam()
    try:
        client = _open(target, arguments)
    except ClientError as error:
        _print_cause(error)
        seam.say(type="error", code=error.code, message=error.message, remedy=error.remedy)
        return 1
    seam.say(type="ready", dataset="", backend=_backend())
    pulse = Pulse(seam)
    for call in seam.calls():
        _answer(seam, pulse, client, call)
        if not seam.is_ours:
            os._exit(0)  # a fork of the class's that came back here is not the client
    return 0


def _read(args: List[str]) -> Tuple[str, List[str]]:
    parser = argparse.ArgumentParser(prog="python -m fedsam_client", description=__doc__)
    parser.add_argument("target", metavar="module:Class", help="a NumPyClient class, a client_fn, or folder/file.py:Class")
    parser.add_argument(
        "--arg", action="append", default=[], metavar="name=value", help="an argument of its constructor; repeat the option for more"
    )
    parsed = parser.parse_args(args)
    return parsed.target, parsed.arg


def _open(target: str, texts: List[str]) -> Any:
    try:
        from fedsam_client.client import SeamClient
    except ImportError as error:
        raise ClientError(f"{error.name or 'numpy'} is not installed", "install it: pip install numpy") from error
    given = read_given(read_arguments(texts), os.environ)
    return SeamClient(make_client(load_target(target), target, given))


def _backend() -> str:
    import numpy

    return f"Python {sys.version.split()[0]}, numpy {numpy.__version__}"


def _answer(seam: Seam, pulse: Pulse, client: Any, call: Dict[str, Any]) -> None:
    try:
        with pulse:
            line = _called(client, call)
    except Exception as error:
        known = error if isinstance(error, ClientError) else ClientError(f"{type(error).__name__}: {error}")
        if known is error:
            _print_cause(known)
        else:
            traceback.print_exc()
        # Only the message of a failed call reaches the run's record, so append the remedy.
        message = known.message + (f": {known.remedy}" if known.remedy else "")
        seam.say(type="error", id=call["id"], code=known.code, message=message)
    else:
        seam.say(id=call["id"], **line)


def _print_cause(error: ClientError) -> None:
    """Writes the whole traceback of the class's exception to the log."""
    cause = error.__cause__
    if cause is not None:
        traceback.print_exception(type(cause), cause, cause.__traceback__)


def _called(client: Any, call: Dict[str, Any]) -> Dict[str, Any]:
    name = call["call"]
    if name == "get_parameters":
        client.get_parameters(call["output"])
        return {"type": "parameters"}
    if name == "fit":
        return {"type": "fitted", **client.fit(call["tensors"], call["output"], call["config"], call.get("dtypes"))}
    if name == "evaluate":
        return {"type": "evaluated", **client.evaluate(call["tensors"], call["config"], call.get("dtypes"))}
    raise ClientError(f"the call {name} is unknown", "use the same version of fedsam_client and fedsam")


if __name__ == "__main__":
    sys.exit(main())
