"""python -m fedsam_client module:Name [--arg name=value]…: serves a NumPyClient or a ClientApp on the seam until the input ends.

python -m fedsam_client --script train.py …: serves the Hugging Face Trainer of a script (script.py).
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from typing import Any, Dict, List, Optional, Tuple

from fedsam_client.arguments import read_arguments, read_given
from fedsam_client.errors import ClientError
from fedsam_client.flower import flower_version, has_client_fn, is_app
from fedsam_client.loading import load_target, make_client
from fedsam_client.seam import Pulse, Seam

#: The options that only a ClientApp of the Message API has, with what each names.
_APP_OPTIONS = {
    "train_action": "the action that trains, of @app.train(ACTION)",
    "evaluate_action": "the action that evaluates, of @app.evaluate(ACTION)",
    "arrayrecord_key": "the name of the ArrayRecord in messages; default: arrays",
    "configrecord_key": "the name of the ConfigRecord in messages; default: config",
    "weighted_by_key": "the metric with the number of examples; default: num-examples",
    "loss": "the metric of evaluate that is the loss; default: the one with loss in its name",
    "initial": "what makes the initial parameters: module:name of a model, a state dict, a list of arrays or a function, or query.ACTION",
}


def main(args: Optional[List[str]] = None) -> int:
    """Returns the exit code: 0 when the input ended, 1 when the client could not be created."""
    args = sys.argv[1:] if args is None else args
    if "--script" in args:
        from fedsam_client.script import run

        return run(args)
    target, arguments, options = _read(args)
    # Protect the seam before the imports of numpy and the class, which may print.
    seam = Seam()
    try:
        client = _open(target, arguments, options)
    except ClientError as error:
        _print_cause(error)
        seam.say(type="error", code=error.code, message=error.message, remedy=error.remedy)
        return 1
    seam.say(type="ready", dataset="", backend=backend())
    pulse = Pulse(seam)
    for call in seam.calls():
        answer(seam, pulse, client, call)
        if not seam.is_ours:
            os._exit(0)  # a fork of the class's that came back here is not the client
    return 0


def _read(args: List[str]) -> Tuple[str, List[str], Dict[str, str]]:
    parser = argparse.ArgumentParser(prog="python -m fedsam_client", description=__doc__)
    parser.add_argument("target", metavar="module:Name", help="a ClientApp, a NumPyClient class, a client_fn, or folder/file.py:Name")
    parser.add_argument(
        "--arg", action="append", default=[], metavar="name=value", help="an argument of its constructor, or a value of context.run_config; repeat the option for more"
    )
    group = parser.add_argument_group("of a ClientApp")
    for name, text in _APP_OPTIONS.items():
        group.add_argument(f"--{name.replace('_', '-')}", metavar="NAME", help=text)
    parsed = parser.parse_args(args)
    options = {name: getattr(parsed, name) for name in _APP_OPTIONS if getattr(parsed, name) is not None}
    return parsed.target, parsed.arg, options


def _open(target: str, texts: List[str], options: Dict[str, str]) -> Any:
    try:
        from fedsam_client.client import SeamClient
    except ImportError as error:
        raise ClientError(f"{error.name or 'numpy'} is not installed", "install it: pip install numpy") from error
    given = read_given(read_arguments(texts), os.environ)
    found = load_target(target)
    if is_app(found) and not has_client_fn(found):
        from fedsam_client.app import AppClient, AppOptions

        return SeamClient(AppClient(found, target, given, AppOptions(**options)))
    if options:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in options)
        remedy = "remove them, or name a ClientApp with functions for messages"
        raise ClientError(f"{target} has no messages, for which {names} would count", remedy, "InvalidJob")
    if is_app(found):
        from fedsam_client.app_of_client_fn import ClientFnApp

        return SeamClient(ClientFnApp(found, target, given))
    return SeamClient(make_client(found, target, given))


def backend() -> str:
    """What computes, for the ready line."""
    import numpy

    flower = f", flwr {flower_version()}" if "flwr" in sys.modules else ""
    return f"Python {sys.version.split()[0]}, numpy {numpy.__version__}{flower}"


def answer(seam: Seam, pulse: Pulse, client: Any, call: Dict[str, Any]) -> bool:
    """Makes one call on a SeamClient, and says its answer or its error. Returns whether it succeeded."""
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
        return False
    seam.say(id=call["id"], **line)
    return True


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
        with client.state(call) as left:
            answer = client.fit(call["tensors"], call["output"], call["config"], call.get("dtypes"))
        return {"type": "fitted", **answer, **left}
    if name == "evaluate":
        with client.state(call) as left:
            answer = client.evaluate(call["tensors"], call["config"], call.get("dtypes"))
        return {"type": "evaluated", **answer, **left}
    if name == "message":
        with client.state(call) as left:
            answer = client.message(call)
        return {"type": "replied", **answer, **left}
    raise ClientError(f"the call {name} is unknown", "use the same version of fedsam_client and fedsam")


if __name__ == "__main__":
    sys.exit(main())
