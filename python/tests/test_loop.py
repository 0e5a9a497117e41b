"""A training loop in a script: receive and send over the seam, every misuse by name, and what the script prints. numpy only."""

import json
import os
import subprocess
import sys
import textwrap
import unittest
from typing import Any, Dict, Optional

import numpy as np
from support import PACKAGE, Program, SeamTest

from fedsam_client import tensors

CONFIG = {"server_round": "3", "lr": "0.5", "seed": "00000007" + "0" * 56}

#: A script with a linear model in a dict. `body` is its loop's.
SCRIPT = """
    import numpy as np
    import fedsam_client

    model = {{"w": np.zeros(2), "b": np.zeros(())}}

    def evaluate(call):
        return float(model["w"].sum()), 4, {{"round": call.round}}

    print("before", end="", flush=True)
    while (call := fedsam_client.receive(model, evaluate)) is not None:
        print("in the loop")
        {body}
    print("after")
"""
GOOD = "model['w'] += call.config['lr']; fedsam_client.send(model, num_examples=7, metrics={'seed': call.seed, 'round': call.round})"


class LoopTest(SeamTest):
    def script(self, text: str, **env: str) -> Program:
        """Starts a script by its own interpreter, and waits for its ready line."""
        self.file("train.py", text)
        started = Program(self.folder, (), {"FEDSAM_CLIENT": "north", **env}, command=(sys.executable, "train.py"))
        self.addCleanup(started.end)
        text = "\n"
        # What the script prints before it calls receive is its log, as every line that is none of the seam.
        while text and not text.startswith("{"):
            text = started.process.stdout.readline()
        self.assertEqual(json.loads(text or "{}").get("type"), "ready", started.logged())
        return started

    def looping(self, body: str) -> Program:
        return self.script(SCRIPT.format(body=body))

    def base(self, w: Any = (1.0, 2.0), b: float = 3.0) -> str:
        tensors.write(self.path("base"), [("w", np.array(w)), ("b", np.array(b))])
        return self.path("base")

    def fit(self, program: Program, **more: Any) -> Dict[str, Any]:
        return program.ask("fit", tensors=self.base(), output=self.path("update"), config=CONFIG, **more)

    def update(self) -> Dict[str, Any]:
        return {spec.name: array.tolist() for spec, array in tensors.read(self.path("update"))}

    def failed(self, body: str) -> str:
        answer = self.fit(self.looping(body))
        self.assertEqual(answer["type"], "error", answer)
        return answer["message"]


class Calls(LoopTest):
    def test_a_whole_run(self) -> None:
        program = self.looping(GOOD)
        self.assertEqual(program.ask("get_parameters", output=self.path("own")), {"id": 1, "type": "parameters"})
        self.assertEqual([str(spec) for spec, _ in tensors.read(self.path("own"))], ["b F64[]", "w F64[2]"])
        answer = program.ask("evaluate", tensors=self.base(), config=CONFIG)
        self.assertEqual(answer, {"id": 2, "type": "evaluated", "loss": 3.0, "num_examples": 4, "metrics": {"round": 3.0}})
        self.assertEqual(self.fit(program), {"id": 3, "type": "fitted", "num_examples": 7, "metrics": {"seed": 7.0, "round": 3.0}})
        self.assertEqual(self.update(), {"b": 3.0, "w": [1.5, 2.5]})
        program.process.stdin.close()
        self.assertEqual(program.process.wait(20), 0)
        for text in ("in the loop", "after"):
            self.assertIn(text, program.logged())

    def test_prints_do_not_reach_the_seam(self) -> None:
        noise = "import os, subprocess, sys; sys.stdout.write('{\"type\": \"fitted\"}\\n'); os.write(1, b'written\\n'); subprocess.run(['echo', 'a program']); assert sys.stdin.read() == ''"
        program = self.looping(f"{noise}; {GOOD}")
        self.assertEqual(self.fit(program)["id"], 1)
        for text in ('{"type": "fitted"}', "written", "a program"):
            self.assertIn(text, program.logged())

    def test_arrays_without_a_model(self) -> None:
        program = self.script("""
            import fedsam_client
            while call := fedsam_client.receive():
                assert list(call.arrays) == ["b", "w"]
                fedsam_client.send({name: 2 * array for name, array in call.arrays.items()}, 5)
        """)
        self.assertEqual(self.fit(program)["num_examples"], 5)
        self.assertEqual(self.update(), {"b": 6.0, "w": [2.0, 4.0]})
        self.assertEqual(program.ask("evaluate", tensors=self.base(), config=CONFIG)["num_examples"], 0)
        self.assertIn("receive() got no model", program.ask("get_parameters", output=self.path("own"))["message"])

    def test_a_list_and_the_arrays_as_they_came(self) -> None:
        program = self.script("""
            import numpy as np, fedsam_client
            model = [np.zeros(2), np.zeros(())]
            while call := fedsam_client.receive(model):
                model[0] *= 3
                assert call.arrays["0000"].tolist() == [1, 2]
                fedsam_client.send(model, 5)
        """)
        base = self.tensors("base", [np.array([1.0, 2.0]), np.array(3.0)])
        self.assertEqual(program.ask("fit", tensors=base, output=self.path("update"), config={})["type"], "fitted")
        self.assertEqual(self.update(), {"0000": [3.0, 6.0], "0001": 3.0})

    def test_a_model_of_keras(self) -> None:
        program = self.script("""
            import numpy as np, fedsam_client
            class Variable:
                def __init__(self, path): self.path = path
            class Model:
                weights = [Variable("dense/kernel"), Variable("dense/bias")]
                values = [np.zeros(2), np.zeros(())]
                def get_weights(self): return self.values
                def set_weights(self, values): self.values = values
            model = Model()
            while call := fedsam_client.receive(model):
                model.values = [array + 1 for array in model.values]
                fedsam_client.send(model, 5)
        """)
        tensors.write(self.path("base"), [("dense/bias", np.array(3.0)), ("dense/kernel", np.array([1.0, 2.0]))])
        self.assertEqual(program.ask("fit", tensors=self.path("base"), output=self.path("update"), config={})["type"], "fitted")
        self.assertEqual(self.update(), {"dense/bias": 4.0, "dense/kernel": [2.0, 3.0]})

    def test_float16_loses_no_digits(self) -> None:
        program = self.script("""
            import numpy as np, fedsam_client
            model = {"w": np.zeros(2, "float16")}
            while call := fedsam_client.receive(model):
                assert model["w"].dtype == "float16" and call.arrays["w"].dtype == "float16"
                fedsam_client.send(model, 5)
        """)
        given = np.array([1.0001, 2.0003], "float32")
        tensors.write(self.path("base"), [("w", given)])
        program.ask("fit", tensors=self.path("base"), output=self.path("update"), config={}, dtypes=["F16"])
        self.assertEqual(self.update()["w"], given.tolist())

    def test_a_state_comes_back_with_the_next_call(self) -> None:
        program = self.looping("fedsam_client.send(model, 1, state=(call.state or b'') + b'x')")
        self.assertEqual(self.fit(program, state_output=self.path("one"))["state"], self.path("one"))
        self.assertEqual(self.fit(program, state=self.path("one"), state_output=self.path("two"))["state"], self.path("two"))
        with open(self.path("two"), "rb") as file:
            self.assertEqual(file.read(), b"xx")
        # The call decides, not what the process remembers.
        self.fit(program, state_output=self.path("three"))
        with open(self.path("three"), "rb") as file:
            self.assertEqual(file.read(), b"x")

    def test_a_call_without_a_state_leaves_it(self) -> None:
        self.file("kept", "x")
        answer = self.fit(self.looping("fedsam_client.send(model, 1)"), state=self.path("kept"), state_output=self.path("left"))
        self.assertNotIn("state", answer)
        self.assertFalse(os.path.exists(self.path("left")))

    def test_the_call_of_an_evaluation_has_its_weights_afterwards(self) -> None:
        text = SCRIPT.replace("return float", "kept.append(call); return float")
        program = self.script("kept = []\n" + textwrap.dedent(text).format(body="model['w'] += kept[0].arrays['w']; fedsam_client.send(model, 1)"))
        program.ask("evaluate", tensors=self.base(), config=CONFIG)
        self.fit(program)
        self.assertEqual(self.update()["w"], [2.0, 4.0])

    def test_an_evaluation_that_raises_costs_no_round(self) -> None:
        program = self.script(SCRIPT.replace("return float", "1 / 0; return float").format(body=GOOD))
        self.assertIn("evaluate raised ZeroDivisionError", program.ask("evaluate", tensors=self.base(), config=CONFIG)["message"])
        self.assertEqual(self.fit(program)["type"], "fitted")


class Misuse(LoopTest):
    def test_receive_without_an_answer(self) -> None:
        self.assertIn("receive() was called before the last call had its answer (train.py:", self.failed("pass"))

    def test_send_twice(self) -> None:
        program = self.looping(f"{GOOD}; {GOOD}")
        self.assertEqual(self.fit(program)["type"], "fitted")
        self.assertEqual(program.process.wait(20), 1)
        self.assertIn("send() was called without a call to answer", program.logged())

    def test_a_script_that_raises(self) -> None:
        self.assertRegex(self.failed("1 / 0"), r"the script raised ZeroDivisionError: division by zero \(train.py:\d+ in <module>")

    def test_a_script_that_ends(self) -> None:
        self.assertIn("ended before it answered: call send() once", self.failed("break"))
        self.assertIn("ended before it answered", self.failed("raise SystemExit(0)"))

    def test_answers_that_are_wrong(self) -> None:
        cases = {
            "send(model, 0)": r"the script returned 0 \(int\) for num_examples",
            "send(model, 2.5)": r"2.5 \(float\) for num_examples",
            "send(model, 1, 0.5)": "for its metrics",
            "send({'w': model['w']}, 1)": "other arrays than receive.* gave, such as b",
            "send({'w': np.zeros(3), 'b': model['b']}, 1)": r"array 0 \(w\) with shape \(3,\)",
            "send([model['w']], 1)": "1 arrays where it was given 2",
            "send(3, 1)": "a int has no arrays by name: give a PyTorch",
            "send({'w': 'text', 'b': model['b']}, 1)": "elements of type str",
            "send(model, 1, state='text')": "a state of type str",
            "send(model, 1, state=b'')": "at least one",
        }
        for call, says in cases.items():
            with self.subTest(call):
                self.assertRegex(self.failed(f"fedsam_client.{call}"), says)

    def test_a_wrong_answer_that_the_script_survives(self) -> None:
        program = self.looping(f"""
        try:
            if call.round == 3 and not globals().get("again"):
                again = True
                fedsam_client.send(model, 0)
            else:
                {GOOD}
        except Exception as error:
            print(type(error).__name__)
        """.strip("\n").strip())
        self.assertEqual(self.fit(program)["type"], "error")
        self.assertEqual(self.fit(program)["type"], "fitted")

    def test_receive_and_send_in_an_evaluation(self) -> None:
        for name, says in {"receive()": "receive() was called by evaluate", "send(model, 1)": "send() was called without a call to answer"}.items():
            with self.subTest(name):
                program = self.script(SCRIPT.replace("return float", f"fedsam_client.{name}; return float").format(body=GOOD))
                self.assertIn(says, program.ask("evaluate", tensors=self.base(), config=CONFIG)["message"])
                self.assertEqual(self.fit(program)["type"], "fitted")

    def test_another_model_than_the_run_has(self) -> None:
        program = self.looping(GOOD)
        tensors.write(self.path("base"), [("w", np.zeros(2)), ("c", np.zeros(()))])
        answer = program.ask("fit", tensors=self.path("base"), output=self.path("update"), config=CONFIG)
        self.assertIn("the model has other arrays than the run: the model has b, and the run has not", answer["message"])
        tensors.write(self.path("base"), [("w", np.zeros(3)), ("b", np.zeros(()))])
        answer = program.ask("fit", tensors=self.path("base"), output=self.path("update"), config=CONFIG)
        self.assertIn("array w came with shape (3,), and the model's has (2,)", answer["message"])
        self.assertEqual(self.fit(program)["type"], "fitted")

    def alone(self, text: str, env: Dict[str, str], *args: str) -> str:
        self.file("train.py", text)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FEDSAM_")}
        command = [sys.executable, *(args or ("train.py",))]
        done = subprocess.run(command, cwd=self.folder, env={**kept, "PYTHONPATH": PACKAGE, **env}, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        return done.stderr + done.stdout

    def test_outside_of_a_run(self) -> None:
        self.assertIn("receive() was called outside of a run", self.alone("import fedsam_client\nfedsam_client.receive()", {}))

    def test_in_another_rank_of_torchrun(self) -> None:
        text = "import fedsam_client\nfedsam_client.receive()"
        self.assertIn("receive() was called by rank 1", self.alone(text, {"FEDSAM_CLIENT": "a", "RANK": "1"}))

    def test_in_a_class(self) -> None:
        text = "import fedsam_client\nfedsam_client.receive()\nclass Client:\n    def fit(self): pass"
        self.assertIn("called by a class or a script that fedsam_client runs", self.alone(text, {}, "-m", "fedsam_client", "train:Client"))


class Imports(unittest.TestCase):
    def test_no_framework_is_imported(self) -> None:
        text = "import sys, fedsam_client; fedsam_client.receive; print([name for name in ('torch', 'keras', 'peft', 'transformers', 'flwr') if name in sys.modules])"
        done = subprocess.run([sys.executable, "-c", text], env={**os.environ, "PYTHONPATH": PACKAGE}, capture_output=True, text=True)
        self.assertEqual(done.stdout, "[]\n", done.stderr)


if __name__ == "__main__":
    unittest.main()
