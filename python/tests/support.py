"""For the tests: a client's program as a process on the seam, and files of arrays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from fedsam_client import tensors

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class SeamTest(unittest.TestCase):
    """A folder of its own; programs started in it are ended with the test."""

    def setUp(self) -> None:
        held = tempfile.TemporaryDirectory()
        self.addCleanup(held.cleanup)
        self.folder = held.name

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def file(self, name: str, text: str) -> str:
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(text))
        return self.path(name)

    def tensors(self, name: str, arrays: List[np.ndarray]) -> str:
        tensors.write(self.path(name), [(f"{index:04}", array) for index, array in enumerate(arrays)])
        return self.path(name)

    def program(self, text: str, *args: str, env: Optional[Dict[str, str]] = None) -> "Program":
        """Serves client:Client of this source text."""
        self.file("client.py", text)
        started = Program(self.folder, args or ("client:Client",), env or {})
        self.addCleanup(started.end)
        return started


class Program:
    """python -m fedsam_client, or another command, with the seam at its standard input and output."""

    def __init__(self, folder: str, args: Any, env: Dict[str, str], command: Sequence[str] = (sys.executable, "-m", "fedsam_client")) -> None:
        self.next_id = 0
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [*command, *args],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": PACKAGE, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )

    def line(self) -> Dict[str, Any]:
        """The next line of the seam that is no progress; {} at its end."""
        while True:
            text = self.process.stdout.readline()
            found = json.loads(text) if text else {}
            if found.get("type") != "progress":
                return found

    def ask(self, call: str, **more: Any) -> Dict[str, Any]:
        self.next_id += 1
        self.process.stdin.write(json.dumps({"id": self.next_id, "call": call, **more}) + "\n")
        self.process.stdin.flush()
        return self.line()

    def logged(self) -> str:
        self.log.seek(0)
        return self.log.read()

    def end(self) -> int:
        self.process.stdin.close()
        code = self.process.wait(20)
        self.process.stdout.close()
        self.log.close()
        return code
