"""The call `message`: any content travels to a ClientApp and back as it is, with context.state, error replies, and every kind of message."""

import os
import unittest
from typing import Any, Dict

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict
from test_app import AppTest
from test_app_states import COUNTING
from test_records import Maker, exact

from fedsam_client import records
from fedsam_client.flower import node_id

ECHO = """
    @app.train()
    def train(msg, context):
        return Message(msg.content, reply_to=msg)

    @app.query("seen")
    def seen(msg, context):
        meta = msg.metadata
        config = {
            "to": meta.dst_node_id, "from": meta.src_node_id, "own": context.node_id, "group": meta.group_id, "type": meta.message_type,
            "run": meta.run_id, "named": len(meta.message_id), "ttl": meta.ttl, "answers": meta.reply_to_message_id,
            "place": context.node_config["partition-id"], "rate": context.run_config["rate"],
        }
        return Message(RecordDict({"seen": ConfigRecord(config)}), reply_to=msg)
"""


class MessageTest(AppTest):
    def send(self, program: Any, content: Any = None, kind: str = "train", **more: Any) -> Dict[str, Any]:
        with open(self.path("content"), "wb") as file:
            file.write(records.encode(RecordDict() if content is None else content))
        return program.ask("message", kind=kind, group="1", content=self.path("content"), output=self.path("reply"), **more)

    def reply(self) -> Any:
        with open(self.path("reply"), "rb") as file:
            return records.decode(file.read())


class Contents(MessageTest):
    def test_come_back_as_they_were(self) -> None:
        program = self.ready(ECHO)
        maker = Maker(5)
        fortran = ArrayRecord({"f": Array(np.asfortranarray(np.arange(6.0).reshape(2, 3))), "": Array(np.array([1], "uint16"))})
        for place, sent in enumerate([RecordDict({"z": fortran, "a": ConfigRecord()}), *(maker.records() for _ in range(40))]):
            with self.subTest(place):
                self.assertEqual(self.send(program, sent), {"id": place + 1, "type": "replied"})
                self.assertEqual(exact(self.reply()), exact(sent))

    def test_of_named_actions_have_the_metadata_of_flower(self) -> None:
        env = {"FEDSAM_CLIENT": "north", "FEDSAM_PARTITION_ID": "2", "FEDSAM_NUM_PARTITIONS": "3"}
        program = self.ready(ECHO, "--arg", "rate=0.5", env=env)
        self.send(program, kind="query.seen")
        own = node_id("north")
        wanted = {
            "to": own, "from": 1, "own": own, "group": "1", "type": "query.seen", "run": 1, "named": 64, "ttl": 43200.0, "answers": "", "place": 2, "rate": 0.5,
        }
        self.assertEqual(dict(self.reply()["seen"]), wanted)

    def test_name_the_node_that_the_app_sees(self) -> None:
        program = self.ready(ECHO, "--arg", "rate=0.5", env={"FEDSAM_CLIENT": "north", "FEDSAM_PARTITION_ID": "2", "FEDSAM_NUM_PARTITIONS": "3"})
        for node in (2**63 - 1, 1):
            self.assertEqual(self.send(program, kind="query.seen", node=str(node))["type"], "replied")
            seen = self.reply()["seen"]
            self.assertEqual((seen["to"], seen["own"]), (node, node))

    def test_pass_through_mods(self) -> None:
        text = """
    def mod(msg, context, call_next):
        if "stop" in msg.content:
            return Message(Error(6, "the norm is unknown"), reply_to=msg)
        reply = call_next(msg, context)
        reply.content["modded"] = ConfigRecord({"yes": True})
        return reply

    app = ClientApp(mods=[mod])
""" + ECHO
        program = self.ready(text)
        self.send(program)
        self.assertEqual(list(self.reply()), ["modded"])
        answer = self.send(program, RecordDict({"stop": ConfigRecord()}))
        self.assertEqual(answer, {"id": 2, "type": "replied", "error": {"code": 6, "reason": "the norm is unknown"}})

    def test_of_a_client_fn_are_flowers_older_calls(self) -> None:
        text = """
    from flwr.client import NumPyClient

    class Client(NumPyClient):
        def get_parameters(self, config):
            return [np.ones(2)]

    app = ClientApp(client_fn=lambda context: Client().to_client())
"""
        program = self.ready(text)
        self.assertEqual(self.send(program, RecordDict({"getparametersins.config": ConfigRecord()}), kind="get_parameters")["type"], "replied")
        self.assertEqual(next(iter(self.reply().array_records.values()))["0"].numpy().tolist(), [1.0, 1.0])


class Failures(MessageTest):
    def test_that_raise_are_errors_of_the_call(self) -> None:
        program = self.ready('    @app.query()\n    def query(msg, context):\n        raise ValueError("no folder")\n')
        answer = self.send(program, kind="query")
        self.assertEqual((answer["type"], answer["id"]), ("error", 1))
        self.assertRegex(answer["message"], r"query raised ValueError: no folder \(.*client.py:\d+ in query")
        self.assertFalse(os.path.exists(self.path("reply")))
        self.assertRegex(self.send(program, kind="train")["message"], "train raised ValueError: .*train")
        self.assertRegex(self.send(program, kind="cook")["message"], "'cook' is no type of a Flower message.*train, evaluate or query")

    def test_of_contents_of_another_form_are_named(self) -> None:
        program = self.ready(ECHO)
        with open(self.path("other"), "wb") as file:
            file.write(b"\x02\0\0\0\0\0\0\0{}")
        answer = program.ask("message", kind="train", group="", content=self.path("other"), output=self.path("reply"))
        self.assertRegex(answer["message"], "these are no records in the format fedsam.records/1.*let the strategy be a Flower ServerApp")

    def test_of_a_class_name_what_answers(self) -> None:
        program = self.ready("    class Client:\n        def fit(self, parameters, config): pass\n", target="client:Client")
        answer = self.send(program)
        self.assertEqual(answer["code"], "InvalidJob")
        self.assertRegex(answer["message"], "the run's strategy is a program, which sends messages.*name a ClientApp")


class States(MessageTest):
    def config(self, **values: Any) -> RecordDict:
        return RecordDict({"arrays": ArrayRecord({"w": Array(np.zeros(1))}), "config": ConfigRecord(values)})

    def test_are_those_of_the_calls_files(self) -> None:
        program = self.ready(COUNTING)
        first = self.send(program, self.config(), state_output=self.path("one"))
        self.assertEqual(first["state"], self.path("one"))
        second = self.send(program, self.config(), kind="evaluate", state=first["state"], state_output=self.path("two"))
        self.assertEqual(second["state"], self.path("two"))
        again = self.send(self.ready(COUNTING), self.config(), state=second["state"], state_output=self.path("three"))
        self.assertEqual(self.reply()["metrics"]["times"], 2)
        with open(again["state"], "rb") as file:
            self.assertEqual(dict(records.decode(file.read())["kept"]), {"train": 2, "evaluate": 1})

    def test_are_left_by_an_error_reply_and_not_by_a_raise(self) -> None:
        program = self.ready(COUNTING)
        refused = self.send(program, self.config(replies=True), state_output=self.path("one"))
        self.assertEqual(refused, {"id": 1, "type": "replied", "error": {"code": 321, "reason": "no data today"}, "state": self.path("one")})
        failed = self.send(program, self.config(fails=True), state_output=self.path("two"))
        self.assertEqual(failed["type"], "error")
        self.assertFalse(os.path.exists(self.path("two")))


if __name__ == "__main__":
    unittest.main()
