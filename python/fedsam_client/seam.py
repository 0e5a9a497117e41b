"""The seam: reads calls and writes answers as JSON lines, on file descriptors that other code in the process cannot use by accident.

Guarantees that a print, a library's output, a subprocess or a fork cannot write into an answer, read a call or keep the seam open:
it replaces descriptors 0 and 1 before any other code runs. docs/trainer-seam.md describes the lines.
"""

from __future__ import annotations

import json
import os
import select
import sys
import threading
import time
from typing import Any, Callable, Dict, Iterator, Optional

#: Seconds between two checks whether a silent call still uses its processor.
PULSE_SECONDS = 5.0
#: Processor seconds between two checks that count as work: more than a check itself uses.
WORK_SECONDS = 0.05

_open: Optional["Seam"] = None


class Seam:
    """Both directions of this process's seam. There is one per process."""

    def __init__(self) -> None:
        global _open
        # Child programs do not inherit copies of a descriptor; forks are handled below.
        self._calls = os.fdopen(os.dup(0), "r", encoding="utf-8", newline="\n")
        self._answers = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
        self._lock = threading.Lock()
        self._owner = os.getpid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        # Write prints to the log at once, not when a buffer is full.
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(line_buffering=True)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._lock.acquire, after_in_parent=self._lock.release, after_in_child=self._forked)
        _open = self

    def _forked(self) -> None:
        """Runs in a forked child: only the parent uses the seam."""
        self._lock = threading.Lock()
        # Not closed: the file objects would later close the same numbers, which may then belong to other files.
        nothing = os.open(os.devnull, os.O_RDWR)
        for file in (self._calls, self._answers):
            os.dup2(nothing, file.fileno(), inheritable=False)
        os.close(nothing)

    def has_call(self, seconds: float) -> bool:
        """Waits until a call or the end of the input can be read."""
        return bool(select.select([self._calls], [], [], seconds)[0])

    def give_back(self) -> None:
        """Puts the seam back to standard input and output, for a program that replaces this one."""
        self._answers.flush()
        os.dup2(self._calls.fileno(), 0)
        os.dup2(self._answers.fileno(), 1)

    def close(self) -> None:
        """Leaves the seam to another process."""
        self._forked()
        self._owner = 0

    def end_line(self) -> None:
        """Ends a line that the process began on its standard output before it opened the seam: the next one must be whole."""
        with self._lock:
            self._answers.write("\n")

    @property
    def is_ours(self) -> bool:
        """False in a forked child."""
        return os.getpid() == self._owner

    def calls(self) -> Iterator[Dict[str, Any]]:
        """The calls, until the input ends."""
        while True:
            found = self.line()
            if found is None:
                return
            yield found

    def line(self) -> Optional[Dict[str, Any]]:
        """The next line that is not empty; None at the end of the input."""
        while True:
            line = self._calls.readline()
            if line == "":
                return None
            if line.strip():
                return json.loads(line)

    def say(self, **line: Any) -> None:
        """Writes one line. Numbers must be finite: JSON has no others."""
        if not self.is_ours:
            return
        text = json.dumps(line, allow_nan=False)
        with self._lock:
            self._answers.write(text + "\n")
            self._answers.flush()


def is_open() -> bool:
    """Whether this process has a seam already."""
    return _open is not None


def report(done: float, total: float, message: str = "") -> None:
    """Reports the progress of the running call. Does nothing where the class runs without FedSAM, for example under Flower."""
    if _open is not None:
        _open.say(type="progress", done=int(done), total=int(total), message=str(message))


class Pulse:
    """Context manager of a call: reports every few seconds that it works, if this process has used its processor since.

    A Flower client reports no progress and need not. A hanging client uses no processor time, so it is still killed after
    noProgressSeconds; an endless loop ends with the round's deadline.
    """

    def __init__(self, seam: Seam, seconds: float = PULSE_SECONDS, used: Optional[Callable[[], float]] = None) -> None:
        self._seam = seam
        self._seconds = seconds
        self._used = used or _processor_seconds
        self._before = 0.0
        self._calling = False
        #: One thread for all calls: starting one takes as long as a small call.
        self._thread: Optional[threading.Thread] = None

    def __enter__(self) -> "Pulse":
        self._before = self._used()
        self._calling = True
        if self._thread is None:
            thread = threading.Thread(target=self._beat, daemon=True)
            thread.start()
            self._thread = thread
        return self

    def __exit__(self, *_: Any) -> None:
        self._calling = False

    def _beat(self) -> None:
        while True:
            time.sleep(self._seconds)
            if not self._calling:
                continue
            now = self._used()
            if now - self._before >= WORK_SECONDS:
                self._seam.say(type="progress", done=0, total=0, message="")
            self._before = now


def _processor_seconds() -> float:
    """Processor seconds of this process and of the children that it has waited for."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system
