"""For the tests: a small coordinator that speaks the strategy seam with `python -m fedsam_client.server`, with ClientApps called in this process;
and the same app under flwr itself, with the same seed."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
from typing import Any, Callable, Dict, List, Optional

import numpy as np
from flwr.app import Context, Error, Message, RecordDict
from flwr.serverapp import Grid
from support import PACKAGE, SeamTest

from fedsam_client import flower, records
from fedsam_client.arguments import Given
from fedsam_client.grid import SeamGrid

SEED = "5eed" * 16
#: Clients: names, in the order of the partitions.
NAMES = ("north", "south", "east", "west", "centre", "coast", "hill")


class Clients:
    """ClientApps in this process, each with its Context."""

    def __init__(self, app: Any, names: Any = NAMES, run_config: Optional[Dict[str, str]] = None) -> None:
        self.app = app
        self.names = list(names)
        self.states: Dict[str, RecordDict] = {name: RecordDict() for name in names}
        self.run_config = run_config or {}
        #: Whose replies are errors, or never come; by client and kind.
        self.fails: Callable[[str, str], Optional[Dict[str, Any]]] = lambda name, kind: {}

    def list(self) -> List[Dict[str, Any]]:
        return [{"name": name, "node": str(flower.node_id(name)), "partition": place} for place, name in enumerate(self.names)]

    def context(self, name: str) -> Any:
        given = Given(name, {}, self.run_config, (self.names.index(name), len(self.names)))
        return flower.make_context(given, self.states[name], flower.node_id(given.client))

    def reply(self, name: str, message: Any) -> Any:
        reply = self.app(message, self.context(name))
        return reply


class Asked:
    """An exchange as the coordinator saw it."""

    def __init__(self, messages: List[Dict[str, Any]], timeout: Optional[float]) -> None:
        self.messages = messages
        self.timeout = timeout
        self.contents: List[bytes] = []

    def ordered(self) -> Any:
        """What a program that runs again must ask once more."""
        return [(one["client"], one["kind"], one["group"], content) for one, content in zip(self.messages, self.contents)]


class Ended:
    """How a program ended."""

    def __init__(self) -> None:
        self.code = 0
        self.error: Optional[Dict[str, Any]] = None
        self.result: Optional[Dict[str, Any]] = None
        self.rounds: List[Any] = []
        self.exchanges: List[Asked] = []
        self.lists = 0
        self.log = ""


class StrategyTest(SeamTest):
    """Each test has a folder with app.py; the program works in an empty folder of its own."""

    def serve(self, clients: Clients, *args: str, env: Optional[Dict[str, str]] = None, target: str = "app:app", **more: Any) -> Ended:
        """Runs the program to its end."""
        # One folder, as the coordinator has it.
        work = scratch = tempfile.mkdtemp(dir=self.folder)
        ended, self.work = Ended(), work
        paths = os.pathsep.join((PACKAGE, self.folder))
        with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
            with subprocess.Popen(
                [sys.executable, "-m", "fedsam_client.server", target, *args],
                cwd=work,
                env={**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "7", **(env or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            ) as process:
                self._say(process, type="start", seed=SEED, scratch=scratch)
                for line in iter(process.stdout.readline, ""):
                    if not self._answer(process, json.loads(line), clients, scratch, ended, **more):
                        break
                process.stdin.close()
                ended.code = process.wait(60)
            log.seek(0)
            ended.log = log.read()
        return ended

    def _say(self, process: Any, **line: Any) -> None:
        process.stdin.write(json.dumps(line) + "\n")
        process.stdin.flush()

    def _answer(self, process: Any, line: Dict[str, Any], clients: Clients, scratch: str, ended: Ended, kill: int = 0) -> bool:
        if line.get("type") == "error":
            ended.error = line
        elif line.get("type") == "round":
            ended.rounds.append((line["round"], line.get("of")))
        elif line.get("call") == "clients":
            ended.lists += 1
            self._say(process, type="clients", id=line["id"], clients=clients.list())
        elif line.get("call") == "exchange":
            if kill and len(ended.exchanges) + 1 == kill:
                process.kill()
                return False
            path = os.path.join(scratch, f"replies-{line['id']}.json")
            self._exchange(line, clients, scratch, ended, path)
            self._say(process, type="replies", id=line["id"], exchange=len(ended.exchanges), replies=path)
        elif line.get("call") == "result":
            ended.result = line
            if line["model"] is not None:
                os.replace(line["model"], self.path("model.safetensors"))
            self._say(process, type="recorded", id=line["id"])
            return False
        return True

    def _exchange(self, line: Dict[str, Any], clients: Clients, scratch: str, ended: Ended, path: str) -> None:
        with open(line["messages"], encoding="utf-8") as file:
            asked = Asked(json.load(file)["messages"], line["timeout"])
        ended.exchanges.append(asked)
        replies = []
        for place, message in enumerate(asked.messages):
            with open(message["content"], "rb") as file:
                asked.contents.append(file.read())
            failed = clients.fails(message["client"], message["kind"])
            if failed is None:
                continue
            written = {"message": place, "client": message["client"], **failed}
            if not failed:
                reply = clients.reply(message["client"], instruction(message, asked.contents[-1]))
                if reply.has_error():
                    written["error"] = {"code": reply.error.code, "reason": reply.error.reason}
                else:
                    written["content"] = os.path.join(scratch, f"reply-{len(ended.exchanges)}-{place}")
                    with open(written["content"], "wb") as file:
                        file.write(records.encode(reply.content))
            replies.append(written)
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"replies": replies}, file)


def instruction(message: Dict[str, Any], content: bytes) -> Any:
    node = flower.node_id(message["client"])
    made = Message(records.decode(content), dst_node_id=node, message_type=message["kind"], group_id=message["group"])
    flower.set_fields(made, message_id="m")
    return made


class Direct(Grid):
    """Flower's side of a comparison: each message goes to the ClientApp in turn, and its very reply comes back."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self.by_node = {flower.node_id(name): name for name in clients.names}

    set_run = None  # type: ignore[assignment]
    run = SeamGrid.run
    _run = None
    create_message = SeamGrid.create_message
    push_messages = pull_messages = None  # type: ignore[assignment]

    def get_node_ids(self) -> Any:
        return list(self.by_node)

    def send_and_receive(self, messages: Any, *, timeout: Any = None) -> Any:
        replies = []
        for place, message in enumerate(messages):
            flower.set_fields(message, message_id=f"m{place}")
            name = self.by_node[message.metadata.dst_node_id]
            failed = self.clients.fails(name, message.metadata.message_type)
            if failed:
                replies.append(Message(Error(failed["error"]["code"], failed["error"]["reason"]), reply_to=message))
            elif failed is not None:
                replies.append(self.clients.reply(name, message))
        return replies


def imported(path: str, name: str) -> Any:
    """The module of a file, apart from any other of that name."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


def under_flower(path: str, clients: Clients, folder: str, run_config: Dict[str, Any]) -> Any:
    """Runs the ServerApp of a file under flwr itself, with the seed of the other run; returns its module."""
    random.seed(SEED)
    np.random.seed(np.frombuffer(bytes.fromhex(SEED), "<u4"))
    module = imported(path, "reference_app")
    before = os.getcwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            module.app(Direct(clients), flower.server_context(run_config))
    finally:
        os.chdir(before)
    return module


flower.take_identity(flower.SERVER_ID)
