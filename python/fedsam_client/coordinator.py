"""The strategy's program as the coordinator's caller: one call at a time over the seam, each with its answer, and its files in the scratch folder.

Guarantees that any number of threads of the app may call, and that no call outlives the coordinator: at the end of the input the program
ends. docs/strategy-seam.md describes the lines. grid.py turns Flower's messages into calls.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any, Dict, List, Mapping, Optional

from fedsam_client import records, rounding
from fedsam_client.errors import ClientError, shortened
from fedsam_client.seam import Seam


class Coordinator:
    """The other end of the seam."""

    def __init__(self, seam: Seam, scratch: str) -> None:
        self._seam = seam
        self._scratch = scratch
        self._lock = threading.Lock()
        self._calls = 0

    def clients(self) -> List[Dict[str, Any]]:
        """Who is ready: name, node and partition of each client."""
        return self._call("clients")["clients"]

    def exchange(self, messages: List[Mapping[str, Any]], timeout: Optional[float]) -> List[Dict[str, Any]]:
        """Sends the messages, whose contents lie in files, and waits for the replies. Those of the timeout are absent."""
        answer = self._call("exchange", messages=self._listed(messages), timeout=timeout)
        if answer["type"] == "differs":
            answer = self._recorded(messages, answer["contents"], timeout)
        with open(answer["replies"], encoding="utf-8") as file:
            return json.load(file)["replies"]

    def _listed(self, messages: List[Mapping[str, Any]]) -> str:
        path = self.path("messages.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"messages": messages}, file, allow_nan=False)
        return path

    def _recorded(self, messages: List[Mapping[str, Any]], listed: str, timeout: Optional[float]) -> Dict[str, Any]:
        """Sends the record's contents in place of those that differ from them by rounding alone; any other difference ends the run."""
        with open(listed, encoding="utf-8") as file:
            found = {one["message"]: one["content"] for one in json.load(file)["contents"]}
        says: Dict[Any, Optional[str]] = {}
        try:
            for place, path in found.items():
                pair = (path, messages[place]["content"])
                if pair not in says:
                    says[pair] = rounding.difference(*map(_content_of, pair))
                if says[pair] is not None:
                    difference = {"message": place, "text": shortened(str(says[pair]), 1000)}
                    return self._call("exchange", messages=self._listed(messages), timeout=timeout, difference=difference)
            own = [{**message, "content": found.get(place, message["content"])} for place, message in enumerate(messages)]
            return self._call("exchange", messages=self._listed(own), timeout=timeout)
        finally:
            for path in set(found.values()):
                os.remove(path)

    def round(self, number: int, of: Optional[int]) -> None:
        """A hint for the run's status."""
        self._seam.say(type="round", round=number, **({} if of is None else {"of": of}))

    def result(self, model: Optional[str], metrics: Mapping[str, float], files: List[str]) -> None:
        """The end of the program's work. Returns when the record has it."""
        self._call("result", model=model, metrics=dict(metrics), files=files)

    def path(self, name: str) -> str:
        """A new path in the scratch folder."""
        with self._lock:
            self._calls += 1
            return os.path.join(self._scratch, f"{self._calls}-{name}")

    def _call(self, name: str, **fields: Any) -> Dict[str, Any]:
        with self._lock:
            self._calls += 1
            self._seam.say(id=self._calls, call=name, **fields)
            answer = self._seam.line()
        if answer is None:
            print(f"fedsam_client: the coordinator ended while the program waited for the answer to {name}", file=sys.stderr, flush=True)
            os._exit(1)  # from any thread: no handler of the app's may go on without a coordinator
        if answer.get("type") == "error":
            raise ClientError(answer.get("message", f"the call {name} failed"), answer.get("remedy", ""), answer.get("code", "ProgramFailed"))
        return answer


def _content_of(path: str) -> Any:
    with open(path, "rb") as file:
        return records.decode(file.read())
