"""Keeps the state of a ClientApp or of a script between calls: reads it from the file that a call names, and leaves a new one if it changed.

Guarantees that a call sees exactly the state of its file, whatever this process remembers, and that a call that fails leaves none. The
engine decides which state counts. records.py has the format; docs/trainer-seam.md the fields of the calls.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, Mapping, Optional

from fedsam_client import records


class KeptState:
    """The state around one call: `take` before it, `leave` after it succeeded."""

    #: Who keeps a state, in a note in the log.
    keeper = "the app uses context.state"

    def __init__(self) -> None:
        #: What the app finds in context.state, a RecordDict; None before the first call.
        self.records: Any = None
        #: Whether the engine keeps states.
        self.is_kept = False
        #: The bytes that the running call began with; None: without a state.
        self._given: Optional[bytes] = None
        #: For an engine that keeps no states: the last ones of this process.
        self._remembered: Optional[bytes] = None
        self._noted = False

    def take(self, call: Mapping[str, Any]) -> None:
        """Reads the state of a call; a new one where it has none."""
        self._given = _read(call["state"]) if call.get("state") else None
        self.is_kept = "state_output" in call
        if not self.is_kept:
            self._given = self._given or self._remembered
        self.records = self._empty() if self._given is None else self._decoded(self._given)

    def leave(self, call: Mapping[str, Any]) -> Dict[str, str]:
        """The answer's fields: the file of the new state, or none where it is as it was."""
        if self._given is None and len(self.records) == 0:
            return {}
        left = self._encoded(self.records)
        if left == self._given:
            return {}
        if "state_output" not in call:
            self._remember(left)
            return {}
        _write(call["state_output"], left)
        return {"state": call["state_output"]}

    def _remember(self, left: bytes) -> None:
        self._remembered = left
        if not self._noted:
            self._noted = True
            print(f"fedsam_client: {self.keeper}, which this run keeps only while this process lives", file=sys.stderr)

    def _empty(self) -> Any:
        from flwr.app import RecordDict

        return RecordDict()

    def _decoded(self, data: bytes) -> Any:
        return records.decode(data)

    def _encoded(self, found: Any) -> bytes:
        return records.encode(found)


class KeptBytes(KeptState):
    """The same for a script: `records` are its bytes, b"" without a state."""

    keeper = "the script keeps a state"

    def _empty(self) -> bytes:
        return b""

    def _decoded(self, data: bytes) -> bytes:
        return data

    def _encoded(self, found: bytes) -> bytes:
        return found


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write(path: str, data: bytes) -> None:
    """Replaces a file of an earlier attempt: it may belong to another user, or be a link."""
    if os.path.lexists(path):
        os.remove(path)
    with open(path, "xb") as file:
        file.write(data)
