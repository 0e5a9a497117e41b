"""A Grid of Flower's whose nodes are the clients of a FedSAM run: a ServerApp sends its messages and gets the replies through it.

Guarantees that every message is encoded when it is sent (a strategy changes the records that its messages share), that replies come in
the order of their messages, and that all ids follow from the run's seed. It needs flwr 1.22 or newer. coordinator.py has the calls.
"""

from __future__ import annotations

import hashlib
import importlib
import os
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from flwr.app import Error, Message, RecordDict
from flwr.serverapp import Grid

from fedsam_client import flower, records
from fedsam_client.coordinator import Coordinator
from fedsam_client.errors import ClientError
from fedsam_client.seen import Seen

#: Seconds that Flower gives a message without a ttl of its own. Then round.deadlineSeconds of the job decides.
DEFAULT_TTL = 43200
#: Flower's code of an error reply for a node that is gone, or that did not reply in time.
NODE_UNAVAILABLE = 5
_NO_REPLY = "Node Unavailable"
_OTHER_CLIENT = "let the clients be ClientApps: python -m fedsam_client module:app"


class SeamGrid(Grid):
    """The Grid that the ServerApp gets."""

    def __init__(self, coordinator: Coordinator, seed: str, seen: Seen) -> None:
        self._coordinator = coordinator
        self._seed = seed
        self._seen = seen
        self._sent = 0
        self._run: Any = None
        #: Every client that a list named, by node id: one that has left still gets its error reply.
        self._names: Dict[int, str] = {}
        #: What was pushed and waits for the next pull; and replies that nobody has pulled, by the id of their message.
        self._pushed: List[Message] = []
        self._encoded: List[_Contents] = []
        self._replies: Dict[str, Message] = {}

    def set_run(self, run: Any) -> None:
        """Replaces what `run` returns."""
        self._run = run

    @property
    def run(self) -> Any:
        """Flower's description of the run. Only its run_id has a meaning here."""
        if self._run is None:
            self._run = _run_class().create_empty(flower.RUN_ID)
        return self._run

    def create_message(self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: Optional[float] = None) -> Message:
        """A message, as the class Message creates it."""
        return Message(content, dst_node_id=dst_node_id, message_type=message_type, group_id=group_id, ttl=ttl)

    def get_node_ids(self) -> Iterable[int]:
        """The node ids of the clients that are ready, in the order of the job's partitions."""
        found = {int(one["node"]): one["name"] for one in self._coordinator.clients()}
        self._names.update(found)
        return list(found)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Takes messages as they are now, and returns their ids. They leave with the next call that waits for replies."""
        sent = self._named(messages)
        files = _Contents(self._coordinator)
        for message in sent:
            files.of(message.content)
        self._pushed += sent
        self._encoded += [files] * len(sent)
        return [message.metadata.message_id for message in sent]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies to these messages that nobody has pulled before. Waits until each message that was pushed has one, or an error reply.

        Under Flower it does not wait. A program that runs again must get the same replies from the same calls, whatever their time is.
        """
        ids = list(message_ids)
        if any(message.metadata.message_id in ids for message in self._pushed):
            self.flush()
        return [self._replies.pop(one) for one in ids if one in self._replies]

    def flush(self) -> None:
        """Sends what was pushed, and waits for the replies."""
        sent, files = self._pushed, self._encoded
        self._pushed, self._encoded = [], []
        for message, reply in zip(sent, self._answered(sent, files, None)):
            if reply is not None:
                self._replies[message.metadata.message_id] = reply

    def send_and_receive(self, messages: Iterable[Message], *, timeout: Optional[float] = None) -> Iterable[Message]:
        """The replies in the order of the messages. One that did not come is absent after the timeout, and an error reply after a ttl."""
        sent = self._named(messages)
        if self._pushed:
            self.flush()
        files = [_Contents(self._coordinator)] * len(sent)
        replies = self._answered(sent, files, timeout)
        return [reply for reply in replies if reply is not None]

    def _named(self, messages: Iterable[Message]) -> List[Message]:
        """The messages with their ids."""
        sent = list(messages)  # it may be a generator, which can be drawn only once
        for message in sent:
            _check(message)
        if sent and not self._names:
            self.get_node_ids()
        for message in sent:
            flower.set_fields(message, message_id=self._next_id(), run_id=flower.RUN_ID, src_node_id=flower.SERVER_ID)
        return sent

    def _answered(self, sent: List[Message], files: List[_Contents], timeout: Optional[float]) -> List[Optional[Message]]:
        """The replies in the order of the messages, each of which has its content among these files."""
        self._seen.sending(sent)
        known = [(message, own) for message, own in zip(sent, files) if message.metadata.dst_node_id in self._names]
        limit = _limit([message for message, _ in known], timeout)
        found = {id(known[place][0]): reply for place, reply in self._exchanged(known, limit).items()}
        for own in {id(own): own for own in files}.values():
            own.remove()
        return [found.get(id(message)) or self._missing(message, timeout, limit) for message in sent]

    def _next_id(self) -> str:
        self._sent += 1
        return hashlib.sha256(f"{self._seed}/{self._sent}".encode()).hexdigest()

    def _exchanged(self, messages: Sequence[Tuple[Message, _Contents]], limit: Optional[float]) -> Dict[int, Message]:
        """The replies by the place of their message."""
        if not messages:
            return {}
        asked = [
            {
                "client": self._names[message.metadata.dst_node_id],
                "kind": message.metadata.message_type,
                "group": message.metadata.group_id,
                "content": files.of(message.content),
            }
            for message, files in messages
        ]
        answers = self._coordinator.exchange(asked, limit)
        replies = {answer["message"]: self._reply(messages[answer["message"]][0], answer) for answer in answers}
        for path in {answer["content"] for answer in answers if "content" in answer}:
            os.remove(path)  # the record has it; a run of many rounds would fill the disk
        return replies

    def _reply(self, message: Message, answer: Mapping[str, Any]) -> Message:
        if "error" in answer:
            reply = Message(Error(code=answer["error"]["code"], reason=answer["error"]["reason"]), reply_to=message)
        else:
            with open(answer["content"], "rb") as file:
                reply = Message(records.decode(file.read(), _OTHER_CLIENT), reply_to=message)
        flower.set_fields(reply, message_id=self._next_id())
        return reply

    def _missing(self, message: Message, timeout: Optional[float], limit: Optional[float]) -> Optional[Message]:
        is_unknown = message.metadata.dst_node_id not in self._names
        # Flower returns fewer replies only after the timeout of the call.
        if not is_unknown and timeout is not None and limit is not None and message.metadata.ttl > limit:
            return None
        return self._reply(message, {"error": {"code": NODE_UNAVAILABLE, "reason": _NO_REPLY}})


class _Contents:
    """The files of one exchange's contents. Messages share them, as they share records."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._paths: Dict[int, str] = {}
        self._by_digest: Dict[bytes, str] = {}

    def of(self, content: RecordDict) -> str:
        """The file of a content. Written now: nothing changes it until the exchange is over."""
        if id(content) not in self._paths:
            self._paths[id(content)] = self._written(content)
        return self._paths[id(content)]

    def _written(self, content: RecordDict) -> str:
        path = self._coordinator.path("content.records")
        digest = hashlib.sha256()
        with open(path, "xb") as file:
            for part in records.parts(content):
                digest.update(part)
                file.write(part)
        known = self._by_digest.setdefault(digest.digest(), path)
        if known != path:
            os.remove(path)
        return known

    def remove(self) -> None:
        """Deletes the files."""
        for path in self._by_digest.values():
            os.remove(path)
        self._by_digest = {}


def _check(message: Any) -> None:
    if not isinstance(message, Message):
        raise TypeError(f"a Grid sends Messages, and not a {type(message).__name__}")
    if not message.has_content():
        raise ValueError("a message that carries an Error can only be a reply")


def _limit(messages: List[Message], timeout: Optional[float]) -> Optional[float]:
    """Seconds until the last of the messages has ended; None: those of the job's round.deadlineSeconds."""
    longest = max((message.metadata.ttl for message in messages), default=DEFAULT_TTL)
    if timeout is None:
        return None if longest >= DEFAULT_TTL else longest
    return max(0.0, min(float(timeout), longest))


def _run_class() -> Any:
    try:
        return importlib.import_module("flwr.supercore.run").Run
    except (ImportError, AttributeError):  # flwr before 1.38
        return importlib.import_module("flwr.common.typing").Run
