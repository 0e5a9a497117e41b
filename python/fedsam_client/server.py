"""python -m fedsam_client.server module:app [--arg name=value]…: runs an unchanged Flower ServerApp as the strategy of a FedSAM run.

Guarantees that the app's random numbers follow from the run's seed, since a program that was killed runs again from its beginning, and
that nothing it prints reaches the seam. grid.py sends its messages, seen.py and legacy.py watch its strategy.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import random
import sys
import traceback
from typing import Any, Dict, List, Optional

from fedsam_client import flower
from fedsam_client.app_files import stage, working_folder
from fedsam_client.arguments import Given, read_arguments
from fedsam_client.coordinator import Coordinator
from fedsam_client.errors import ClientError, raised
from fedsam_client.loading import is_itself, load_with_module
from fedsam_client.seam import Seam
from fedsam_client.targets import refuse_other_server

_FAILED = "ProgramFailed"


def main(args: Optional[List[str]] = None) -> int:
    """Returns the exit code: 0 when the record has the result, 1 when it has not."""
    options = _read(sys.argv[1:] if args is None else args)
    # Protect the seam before the imports of numpy and the app, which may print.
    seam = Seam()
    start = seam.line()
    if start is None:
        print("fedsam_client: the input ended before the line start: fedsam run starts this program", file=sys.stderr)
        return 1
    try:
        _serve(seam, start, options)
    except ClientError as error:
        if error.__cause__ is not None:
            traceback.print_exception(type(error.__cause__), error.__cause__, error.__cause__.__traceback__)
        seam.say(type="error", code=error.code, message=error.message, remedy=error.remedy)
        # The last line of the log is what a run shows of a program that failed.
        print(f"fedsam_client: {error.message}" + (f": {error.remedy}" if error.remedy else ""), file=sys.stderr)
        return 1
    while seam.line() is not None:  # the run's record is complete when the input ends
        pass
    return 0


def _read(args: List[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fedsam_client.server", description=__doc__)
    parser.add_argument("target", metavar="module:app", help="a ServerApp, or folder/file.py:app")
    parser.add_argument("--arg", action="append", default=[], metavar="name=value", help="a value of context.run_config; repeat the option for more")
    parser.add_argument("--path", metavar="FOLDER", help="a folder from which modules are imported: the program itself runs in an empty one")
    return parser.parse_args(args)


def _serve(seam: Seam, start: Dict[str, Any], options: argparse.Namespace) -> None:
    if start.get("type") != "start" or "seed" not in start or "scratch" not in start:
        raise ClientError("the first line is no start of a strategy's program", "use the same version of fedsam_client and fedsam", _FAILED)
    target: str = options.target
    run_config = Given("", {}, read_arguments(options.arg)).converted()
    if options.path is not None:
        sys.path.insert(0, os.path.abspath(options.path))
    version = flower.flower_version()
    if version == "":
        raise ClientError("flwr is not installed", "install it: pip install flwr", "InvalidJob")
    flower.refuse_version(version, f"the ServerApp {target}")
    coordinator = Coordinator(seam, start["scratch"])
    from fedsam_client import legacy, refused, seen
    from fedsam_client.grid import SeamGrid

    sight = seen.Seen(coordinator.round)
    flower.take_identity(flower.SERVER_ID)
    seen.watch(sight)
    legacy.patch(sight)
    refused.patch()
    folder = working_folder(start["scratch"])
    # The last thing before the app's own modules: imports of libraries may draw numbers.
    _seed(start["seed"])
    try:
        app, module = load_with_module(target)
    except ClientError as error:
        if isinstance(error.__cause__, ModuleNotFoundError) and is_itself(error.__cause__, target.split(":")[0]):
            error.remedy = "name the folder to import from: --path FOLDER; or write a path: folder/file.py:app"
        raise
    refuse_other_server(app, target, module)
    grid = SeamGrid(coordinator, start["seed"], sight)
    seam.say(type="ready", compares=True)
    _run(app, target, grid, flower.server_context(run_config))
    grid.flush()  # messages that were pushed, and whose replies the app does not need
    os.chdir(start["scratch"])
    coordinator.result(_written(sight.model, coordinator), sight.metrics, stage(folder, start["scratch"]))


def _seed(seed: str) -> None:
    """Seeds the generators of random, numpy and torch that have no seed of their own."""
    import numpy

    random.seed(seed)
    numpy.random.seed(numpy.frombuffer(bytes.fromhex(seed), "<u4"))
    if importlib.util.find_spec("torch") is not None:
        try:
            importlib.import_module("torch").manual_seed(int(seed[:15], 16))
        except Exception as error:  # an incomplete torch, which the app may not need
            print(f"fedsam_client: torch has no seed: {type(error).__name__}: {error}", file=sys.stderr)


def _run(app: Any, target: str, grid: Any, context: Any) -> None:
    try:
        app(grid, context)
    except ClientError:
        raise
    except SystemExit as error:
        if error.code not in (None, 0):
            remedy = "raise an exception instead: its message is shown"
            raise ClientError(f"the ServerApp {target} left the program: sys.exit({error.code!r})", remedy, _FAILED) from error
    except Exception as error:
        failed = raised(f"the ServerApp {target}", error, _FAILED)
        failed.remedy = "read the whole traceback in the program's log"
        raise failed from error


def _written(model: Any, coordinator: Coordinator) -> Optional[str]:
    """The file of the last result's arrays; None where no strategy ended, or its result has none."""
    if not model:
        return None
    from fedsam_client import tensors

    path = coordinator.path("model.safetensors")
    tensors.write(path, model)
    return path


if __name__ == "__main__":
    sys.exit(main())
