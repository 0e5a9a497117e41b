"""python -m fedsam_client --script train.py …: runs a Hugging Face training script, unedited. Its Trainer.train() trains once for each call.

Guarantees that the script sees its own arguments and folder, that only one process owns the seam, and that a script that never reaches
train() says so. hugging_face.py makes the calls; processes.py shares them between the processes of torchrun, and restarts the script.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import traceback
import types
from importlib.abc import MetaPathFinder
from importlib.machinery import SourceFileLoader
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set

from fedsam_client.arguments import Given, read_given
from fedsam_client.errors import ClientError, raised
from fedsam_client.processes import Calls, Processes, Restart

#: What each library that trains by a method of a Trainer is answered with.
_LIGHTNING = ("lightning.pytorch.trainer.trainer", "pytorch_lightning.trainer.trainer")


class Options(NamedTuple):
    """The options of --script."""

    script: str
    #: The script's own arguments, with the partition's fields still in braces.
    arguments: List[str]
    keep_optimizer: bool
    fresh: bool
    #: The weight of an update, where the data has no length.
    examples: Optional[int]


class Session:
    """The run of one script: what its trainer needs to serve the calls."""

    def __init__(self, options: Options, calls: Calls) -> None:
        self.options = options
        self.calls = calls
        #: Whether a train() serves the calls, or has served them.
        self.is_serving = False
        #: Why the script cannot be served. It may have caught the exception.
        self.refused: Optional[ClientError] = None

    def refuse(self, message: str, remedy: str) -> ClientError:
        """The exception to raise in the script."""
        self.refused = ClientError(message, remedy, "InvalidJob")
        return self.refused

    def serve(self, client: Any) -> None:
        """Serves the calls, and leaves the script when they end."""
        self.is_serving = True
        self.calls.serve(client)
        # What follows train() would run with one site's weights, after the run's end.
        raise SystemExit(0)


def run(args: List[str]) -> int:
    """Returns the exit code: 0 when the input ended, 1 when the script failed before."""
    restart = Restart(args)
    restart.take_call()
    options = _read(restart.args)
    # Protect the seam before the script runs: it may print.
    calls = Calls(Processes(os.environ), restart, options.fresh)
    session = Session(options, calls)
    try:
        _check(options, calls)
        _run(options, session)
    except ClientError as error:
        if error.__cause__ is not None:
            traceback.print_exception(type(error.__cause__), error.__cause__, error.__cause__.__traceback__)
        calls.refuse(error)
        return 1
    return 0


def _read(args: List[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m fedsam_client", description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--keep-optimizer", action="store_true", help="keep the optimizer's moments from round to round, in the client's state")
    parser.add_argument("--fresh", action="store_true", help="restart the script for each fit, so that nothing that it remembers changes the next one")
    parser.add_argument("--examples", type=int, metavar="N", help="the weight of an update, for data without a length")
    parser.add_argument("--script", required=True, metavar="train.py …", help="the script, and all of its arguments")
    # argparse would look into the script's arguments: it ends them at "--".
    place = args.index("--script")
    parsed = parser.parse_args([*args[:place], "--script", ""])
    script, *arguments = args[place + 1 :] or [""]
    return Options(script, arguments, parsed.keep_optimizer, parsed.fresh, parsed.examples)


def _filled(text: str, given: Given) -> str:
    """An argument of the script, with {client}, {dataset_root} and the partition's other fields replaced. Other braces stay."""
    for name, value in {"client": given.client, **given.dataset}.items():
        text = text.replace("{" + name + "}", str(value))
    return text


def _check(options: Options, calls: Calls) -> None:
    if options.script == "":
        raise ClientError("--script names no file", "name the script after --script", "InvalidJob")
    if not os.path.isfile(options.script):
        raise ClientError(f"there is no script {os.path.abspath(options.script)}", "name it after --script", "InvalidJob")
    if options.examples is not None and options.examples < 1:
        raise ClientError(f"--examples is {options.examples}", "name a whole number from 1", "InvalidJob")
    if options.fresh and calls.processes.count > 1:
        raise ClientError("--fresh cannot restart the processes of torchrun", "remove --fresh, or train with one process", "InvalidJob")


def _run(options: Options, session: Session) -> None:
    """Runs the script as python does. Raises ClientError where it ends before the calls do."""
    from fedsam_client import hugging_face

    patches: Dict[str, Callable[[Any], None]] = {"transformers.trainer": lambda module: hugging_face.serve_with(module, session)}
    patches.update({name: lambda module: _refuse_lightning(module, session) for name in _LIGHTNING})
    given = read_given({}, os.environ)
    arguments = [_filled(text, given) for text in options.arguments]
    sys.meta_path.insert(0, _Patches(patches))
    name = os.path.basename(options.script)
    try:
        _run_as_python(options.script, arguments)
    except SystemExit as error:
        if not session.is_serving:
            raise session.refused or ClientError(f"{name} left the program before it trained: sys.exit({error.code!r})", "read its log", "InvalidJob") from None
    except ClientError:
        raise
    except Exception as error:
        if session.is_serving:
            traceback.print_exc()  # of what follows train(), in a script that catches SystemExit
            return
        raise session.refused or raised(name, error) from error
    if not session.is_serving:
        remedy = "--script runs scripts that call train() of transformers.Trainer; a loop of your own calls fedsam_client.receive() and send()"
        raise session.refused or ClientError(f"{name} ended without Trainer.train()", remedy, "InvalidJob")


def _run_as_python(script: str, arguments: List[str]) -> None:
    """Runs a file as `python FILE ARGUMENTS` does: as the module __main__, with its own folder in place of the working folder in sys.path."""
    path = os.path.join(os.getcwd(), script)
    sys.argv = [script, *arguments]
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.path.dirname(os.path.realpath(path))
    module = types.ModuleType("__main__")
    found = {"__file__": path, "__cached__": None, "__builtins__": sys.modules["builtins"], "__loader__": SourceFileLoader("__main__", path)}
    vars(module).update(found)
    sys.modules["__main__"] = module
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    exec(code, vars(module))


def _refuse_lightning(module: Any, session: Session) -> None:
    def fit(*_: Any, **__: Any) -> None:
        remedy = "write the loop with fedsam_client.receive() and send(), with a new Trainer for each call"
        raise session.refuse("--script does not run Lightning's Trainer.fit()", remedy)

    module.Trainer.fit = fit


class _Patches(MetaPathFinder):
    """Changes modules right after their import, whenever the script imports them: it may first set variables that they read."""

    def __init__(self, patches: Dict[str, Callable[[Any], None]]) -> None:
        self._patches = patches
        #: The modules that the other finders look for.
        self._asked: Set[str] = set()

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        # Each time: a library may only look whether the module is there, and an import that fails may be tried again.
        patch = self._patches.get(fullname)
        if patch is None or fullname in self._asked:
            return None
        self._asked.add(fullname)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._asked.discard(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                execute(module)
                patch(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
