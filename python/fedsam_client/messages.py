"""Delivers one Message to a ClientApp and returns its reply: the call `message` of the seam, and the messages that app.py writes itself.

Guarantees that the app gets the whole content exactly as it was sent, with context.state and the metadata that Flower sets, and that the
whole reply travels back. An error reply is no failure of the call; an exception is. records.py has the format of contents.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any, Dict, Mapping

from fedsam_client import flower, records
from fedsam_client.arguments import Given
from fedsam_client.errors import LONGEST_TEXT, ClientError, raised, shortened
from fedsam_client.state import KeptState


def answered(app: Any, given: Given, state: KeptState, call: Mapping[str, Any]) -> Dict[str, Any]:
    """The fields of the answer to a call `message`: none, or the error of the reply. A content is written to the file `output`."""
    with open(call["content"], "rb") as file:
        data = file.read()
    kind, group = call["kind"], call.get("group", "")
    # The server knows the client by this number. An older FedSAM names none.
    own = int(call["node"]) if "node" in call else flower.node_id(given.client)
    flower.take_identity(own)
    content = records.decode(data, "let the strategy be a Flower ServerApp: python -m fedsam_client.server module:app")
    # A message has the same id in every attempt at it: an app may derive a name from it.
    name = hashlib.sha256(b"\0".join((kind.encode(), group.encode(), data))).hexdigest()
    del data
    reply = delivered(app, message_of(kind, content, own, name, group), given, state)
    if reply.has_error():
        return {"error": {"code": int(reply.error.code), "reason": shortened(str(reply.error.reason), LONGEST_TEXT)}}
    _write(call["output"], reply.content)
    return {}


def asked(app: Any, kind: str, content: Any, given: Given, state: KeptState) -> Any:
    """The content of an app's reply to a message. Raises ClientError where it raises, leaves, or replies with an error."""
    own = flower.node_id(given.client)
    reply = delivered(app, message_of(kind, content, own, f"{kind}-{own}"), given, state)
    if reply.has_error():
        raise ClientError(f"{kind} replied with error {reply.error.code}: {shortened(str(reply.error.reason), LONGEST_TEXT)}")
    return reply.content


def delivered(app: Any, message: Any, given: Given, state: KeptState) -> Any:
    """The app's reply, a Message with a content or an error. Leaves context.state in `state`."""
    kind = message.metadata.message_type
    context = flower.make_context(given, state.records, message.metadata.dst_node_id)
    try:
        reply = app(message, context)
    except SystemExit as error:
        remedy = "raise an exception instead: its message is shown"
        raise ClientError(f"{kind} left the program: sys.exit({error.code!r})", remedy) from error
    except Exception as error:
        if given.place is None and isinstance(error, KeyError) and error.args[:1] in (("partition-id",), ("num-partitions",)):
            raise ClientError(
                f"{kind} reads {error.args[0]} of context.node_config, which this trainer does not know",
                "set FEDSAM_PARTITION_ID and FEDSAM_NUM_PARTITIONS for each partition: docs/how-to-from-flower.md shows how",
            ) from error
        raise raised(kind, error) from error
    state.records = context.state
    if not hasattr(reply, "has_error"):
        raise ClientError(f"{kind} returned a {type(reply).__name__}", "return a Message: Message(content, reply_to=message)")
    return reply


def message_of(kind: str, content: Any, own: int, name: str, group: str = "") -> Any:
    """A message to this client, as it comes from Flower's server; a reply repeats its fields."""
    from flwr.app import Message

    try:
        message = Message(content, dst_node_id=own, message_type=kind, group_id=group)
    except ValueError as error:
        remedy = "send train, evaluate or query, or one of them with an action, such as train.slowly"
        raise ClientError(f"{shortened(repr(kind), 80)} is no type of a Flower message", remedy) from error
    flower.set_fields(message, run_id=flower.RUN_ID, src_node_id=flower.SERVER_ID, message_id=name)
    return message


def _write(path: str, content: Any) -> None:
    """Writes a content. Replaces a file of an earlier attempt: it may belong to another user, or be a link."""
    if os.path.lexists(path):
        os.remove(path)
    with open(path, "xb") as file:
        for part in records.parts(content):
            file.write(part)
