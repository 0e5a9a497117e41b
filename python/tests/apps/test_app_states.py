"""What a ClientApp's context.state holds between calls.

The tests play the engine's side: they name the file of a state, and read the file that an answer names.
"""

import os
import unittest
from typing import Any, Dict, Optional

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from support import Program
from test_app import SEEN, AppTest
from test_records import exact

from fedsam_client import records

COUNTING = """
    def count(context, kind):
        if "kept" not in context.state:
            context.state["kept"] = MetricRecord({"train": 0, "evaluate": 0})
            context.state["order"] = ArrayRecord([np.asfortranarray(np.arange(6.0).reshape(2, 3))])
            context.state["odd"] = ConfigRecord({"z": float("nan"), "a": -0.0, "b": b"\\x00", "n": [1, 2], "t": True})
        context.state["kept"][kind] += 1
        return context.state["kept"][kind]

    @app.train()
    def train(msg, context):
        times = count(context, "train")
        if msg.content["config"].get("fails"):
            raise ValueError("after the state changed")
        if msg.content["config"].get("replies"):
            return Message(Error(code=321, reason="no data today"), reply_to=msg)
        return replied(msg, msg.content["arrays"], times=times)

    @app.evaluate()
    def evaluate(msg, context):
        if msg.content["config"].get("reads"):
            return replied(msg, loss=0.5, times=context.state["kept"]["train"])
        return replied(msg, loss=0.5, times=count(context, "evaluate"))
"""


class States(AppTest):
    """The engine's side: it names files, and keeps what counts."""

    def call(self, program: Program, name: str, state: Optional[str], **config: str) -> Dict[str, Any]:
        more = {"state_output": self.path(f"state-{program.next_id}")}
        if state is not None:
            more["state"] = state
        if name == "fit":
            return self.fit(program, config=config, **more)
        return program.ask("evaluate", tensors=self.base(), config=config, **more)

    def stored(self, path: str) -> RecordDict:
        with open(path, "rb") as file:
            return records.decode(file.read())

    def test_travel_from_call_to_call_and_from_process_to_process(self) -> None:
        state = None
        for times in (1, 2, 3):
            program = self.ready(COUNTING)  # a new process: it remembers nothing
            evaluated = self.call(program, "evaluate", state)
            answer = self.call(program, "fit", evaluated["state"])
            self.assertEqual((evaluated["metrics"]["times"], answer["metrics"]["times"]), (times, times))
            state = answer["state"]
            self.assertEqual(state, self.path("state-1"))
            wanted = RecordDict(
                {
                    "kept": MetricRecord({"train": times, "evaluate": times}),
                    "order": ArrayRecord([np.asfortranarray(np.arange(6.0).reshape(2, 3))]),
                    "odd": ConfigRecord({"z": float("nan"), "a": -0.0, "b": b"\x00", "n": [1, 2], "t": True}),
                }
            )
            self.assertEqual(exact(self.stored(state)), exact(wanted))

    def test_are_the_files_and_not_what_the_process_remembers(self) -> None:
        program = self.ready(COUNTING)
        first = self.call(program, "fit", None)
        self.assertEqual(self.call(program, "fit", first["state"])["metrics"]["times"], 2)
        # The engine refused that one: it goes back to the first, and to none.
        self.assertEqual(self.call(program, "fit", first["state"])["metrics"]["times"], 2)
        self.assertEqual(self.call(program, "fit", None)["metrics"]["times"], 1)

    def test_of_calls_that_fail_are_not_left(self) -> None:
        program = self.ready(COUNTING)
        first = self.call(program, "fit", None)
        for config, says in (({"fails": "true"}, "train raised ValueError: after the state"), ({"replies": "true"}, "error 321: no data today")):
            failed = self.call(program, "fit", first["state"], **config)
            self.assertRegex(failed["message"], says)
            self.assertNotIn("state", failed)
            self.assertFalse(os.path.exists(self.path(f"state-{program.next_id - 1}")))
        self.assertEqual(self.call(program, "fit", first["state"])["metrics"]["times"], 2)

    def test_that_did_not_change_are_not_answered(self) -> None:
        program = self.ready(COUNTING)
        first = self.call(program, "fit", None)
        read = self.call(program, "evaluate", first["state"], reads="true")
        self.assertEqual((read["type"], read["metrics"]["times"]), ("evaluated", 1.0))
        self.assertNotIn("state", read)
        self.assertEqual(os.listdir(self.folder).count("state-1"), 0)

    def test_that_are_emptied_are_answered(self) -> None:
        text = COUNTING.replace("times = count(context, \"train\")", "times = 1; context.state.clear()")
        program = self.ready(COUNTING)
        first = self.call(program, "fit", None)["state"]
        emptied = self.call(self.ready(text), "fit", first)
        self.assertEqual(exact(self.stored(emptied["state"])), [])

    def test_that_are_replaced_are_answered(self) -> None:
        text = COUNTING.replace('times = count(context, "train")', 'times = 1; context.state = RecordDict({"new": MetricRecord({"x": 1})})')
        left = self.call(self.ready(text), "fit", None)
        self.assertEqual(exact(self.stored(left["state"])), exact(RecordDict({"new": MetricRecord({"x": 1})})))

    def test_of_an_app_that_uses_none_are_not_there(self) -> None:
        self.assertNotIn("state", self.call(self.ready(SEEN), "fit", None))

    def test_without_an_engine_that_keeps_them_live_with_the_process(self) -> None:
        program = self.ready(COUNTING)
        self.assertEqual([self.fit(program)["metrics"]["times"] for _ in range(3)], [1, 2, 3])
        self.assertEqual(program.logged().count("which this run keeps only while this process lives"), 1)

    def test_of_another_form_fail_the_call(self) -> None:
        program = self.ready(COUNTING)
        with open(self.path("wrong"), "wb") as file:
            file.write(b"\x80\x04 a pickle")
        self.assertRegex(self.call(program, "fit", self.path("wrong"))["message"], "no records in the format fedsam.records/1")

    def test_replace_a_file_of_an_earlier_life(self) -> None:
        program = self.ready(COUNTING)
        os.symlink(self.path("elsewhere"), self.path("state-0"))
        left = self.call(program, "fit", None)
        self.assertFalse(os.path.islink(left["state"]))
        self.assertFalse(os.path.exists(self.path("elsewhere")))


if __name__ == "__main__":
    unittest.main()
