"""Serves the calls of the seam to a script that may be several processes (torchrun), and restarts a script between two calls.

Guarantees that rank 0 alone reads and writes the seam, that every rank makes the same calls, and that a restart loses no call.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from typing import Any, Dict, Iterator, List, Mapping, Optional

from fedsam_client.errors import ClientError
from fedsam_client.seam import Pulse, Seam

#: Longest seconds that the other ranks wait for a broadcast: torch.distributed ends a broadcast after minutes.
WAIT_SECONDS = 60.0
#: The internal option that hands a call to a restarted script, as the number of an open file.
_CALL = "--call-in"
#: The calls that every rank makes. Rank 0 alone has the first parameters.
_SHARED = ("fit", "evaluate")


class Processes:
    """This process among those that torchrun started; alone without torchrun."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.count = int(environment.get("WORLD_SIZE", "1"))
        self.rank = int(environment.get("RANK", "0"))

    def shared(self, value: Any) -> Any:
        """The value of rank 0, in every rank."""
        if self.count == 1:
            return value
        import torch.distributed

        values = [value]
        torch.distributed.broadcast_object_list(values, src=0)
        return values[0]


class Restart:
    """Replaces this process by a new one with the same command, folder and variables."""

    def __init__(self, args: List[str]) -> None:
        self.args = list(args)
        self._folder = os.getcwd()
        self._environment = dict(os.environ)
        #: The call that an earlier life of this process received and left to this one.
        self.call: Optional[Dict[str, Any]] = None

    def take_call(self) -> None:
        """Reads the call of an earlier life, and removes its option from the arguments."""
        if self.args[:1] == [_CALL]:
            with os.fdopen(int(self.args[1]), "r", encoding="utf-8") as file:
                self.call = json.load(file)
            self.args = self.args[2:]

    def with_call(self, seam: Seam, call: Dict[str, Any]) -> None:
        """Restarts. The new process begins with this call. Does not return."""
        file = tempfile.TemporaryFile("w+", encoding="utf-8")
        json.dump(call, file)
        file.flush()
        file.seek(0)
        os.set_inheritable(file.fileno(), True)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # the new process begins with empty buffers
        seam.give_back()
        os.chdir(self._folder)
        os.execve(sys.executable, [*_interpreter(), _CALL, str(file.fileno()), *self.args], self._environment)


def _interpreter() -> List[str]:
    """The interpreter with its own options, such as -X."""
    words = list(getattr(sys, "orig_argv", []))
    if "-m" in words:
        return [sys.executable, *words[1 : words.index("-m")], "-m", "fedsam_client"]
    return [sys.executable, "-m", "fedsam_client"]


class Calls:
    """The calls of the run, for the client that the script's train() makes."""

    def __init__(self, processes: Processes, restart: Restart, is_fresh: bool) -> None:
        self.processes = processes
        self._restart = restart
        self._is_fresh = is_fresh
        # The other ranks close their copies too, or the seam would stay open after rank 0.
        self._seam = Seam()
        self._pulse = Pulse(self._seam)
        if processes.rank > 0:
            self._seam.close()

    def refuse(self, error: ClientError) -> None:
        """Says that the script cannot start."""
        if self.processes.rank == 0:
            self._seam.say(type="error", code=error.code, message=error.message, remedy=error.remedy)

    def serve(self, client: Any) -> None:
        """Makes the calls on a client until the input ends. `client.is_used` and `client.is_broken` say what it remembers."""
        from fedsam_client.__main__ import answer, backend
        from fedsam_client.client import SeamClient

        served = SeamClient(client)
        if self.processes.rank == 0 and self._restart.call is None:
            self._seam.say(type="ready", dataset="", backend=f"{backend()}{client.backend}")
        for call in self._shared():
            if self.processes.rank > 0:
                _follow(served, client, call)
                continue
            if call["call"] == "fit" and (client.is_broken or (self._is_fresh and client.is_used)):
                self._restart.with_call(self._seam, call)
            is_answered = answer(self._seam, self._pulse, served, call)
            if not self._seam.is_ours:
                os._exit(0)
            if not is_answered and self.processes.count > 1 and call["call"] in _SHARED:
                os._exit(1)  # the other ranks may be anywhere in the call: torchrun ends them, and FedSAM restarts the command

    def _shared(self) -> Iterator[Dict[str, Any]]:
        """The calls, in every rank."""
        own = self._own() if self.processes.rank == 0 else None
        while True:
            call = self.processes.shared(None if own is None else next(own, {"call": "end"}))
            if call["call"] == "end":
                return
            if call["call"] != "wait":
                yield call

    def _own(self) -> Iterator[Dict[str, Any]]:
        """The calls of rank 0. Other ranks hear a word now and then while there is none."""
        if self._restart.call is not None:
            yield self._restart.call
        while True:
            while self.processes.count > 1 and not self._seam.has_call(WAIT_SECONDS):
                yield {"call": "wait"}
            call = next(self._seam.calls(), None)
            if call is None:
                return
            yield call


def _follow(served: Any, client: Any, call: Dict[str, Any]) -> None:
    """The same call in another rank, which writes nothing. An exception ends the rank, and with it torchrun."""
    client.state.take({**call, "state_output": ""})
    if call["call"] == "fit":
        served.fit(call["tensors"], os.devnull, call["config"], call.get("dtypes"))
    elif call["call"] == "evaluate":
        served.evaluate(call["tensors"], call["config"], call.get("dtypes"))
