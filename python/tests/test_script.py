"""Scripts with a Trainer under --script: what each fit begins with, what stays outside, restarts, and every refusal by name.

The Trainer is a stand-in with numpy (stand_in), which has the parts that fedsam_client uses. docs/how-to-scripts.md has what the real one did.
"""

import os
import re
import sys
import unittest
from typing import Any, Dict, List

import numpy as np
from support import Program, SeamTest

from fedsam_client import tensors

CONFIG = {"server_round": "1", "seed": "00000007" + "0" * 56}
STAND_IN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stand_in")

SCRIPT = """
    import sys
    from transformers.trainer import Args, Callback, Model, Trainer

    print("loading", end="", flush=True)
    trainer = Trainer(Model(), Args(), train_dataset=[1, 2, 3], eval_dataset=[1, 2])
    {body}
    trainer.train()
    print("after train")
"""


class ScriptTest(SeamTest):
    def script(self, body: str = "pass", *options: str, text: str = SCRIPT, arguments: Any = (), **env: str) -> Program:
        self.file("train.py", text.format(body=body))
        path = os.pathsep.join([STAND_IN, os.path.dirname(os.path.dirname(STAND_IN))])
        program = Program(self.folder, (*options, "--script", "train.py", *arguments), {"PYTHONPATH": path, "FEDSAM_CLIENT": "north", **env})
        self.addCleanup(program.end)
        return program

    def ready(self, *args: Any, **more: Any) -> Program:
        program = self.script(*args, **more)
        self.assertEqual(program.line().get("type"), "ready", program.logged())
        return program

    def fit(self, program: Program, w: float = 10.0, **more: Any) -> Dict[str, Any]:
        tensors.write(self.path("base"), [("w", np.array([w, w]))])
        return program.ask("fit", tensors=self.path("base"), output=self.path("update"), config=CONFIG, **more)

    def update(self) -> List[float]:
        return tensors.read(self.path("update"))[0][1].tolist()

    def refused(self, *args: Any, **more: Any) -> str:
        program = self.script(*args, **more)
        line = program.line()
        self.assertEqual((line.get("type"), line.get("code")), ("error", "InvalidJob"), program.logged())
        self.assertNotIn("id", line)
        self.assertEqual(program.end(), 1)
        return f"{line['message']}: {line['remedy']}"


class Fits(ScriptTest):
    def test_a_whole_run(self) -> None:
        program = self.ready()
        self.assertEqual(program.ask("get_parameters", output=self.path("own"))["type"], "parameters")
        self.assertEqual(tensors.read(self.path("own"))[0][1].tolist(), [1.0, 1.0])
        # The stand-in adds 1, the seed and the optimizer's momentum, which begins at 0.
        answer = self.fit(program)
        self.assertEqual(answer, {"id": 2, "type": "fitted", "num_examples": 3, "metrics": {"train_loss": 0.5}})
        self.assertEqual(self.update(), [18.0, 18.0])
        answer = program.ask("evaluate", tensors=self.path("base"), config=CONFIG)
        self.assertEqual(answer, {"id": 3, "type": "evaluated", "loss": 20.0, "num_examples": 2, "metrics": {"eval_loss": 20.0}})
        self.assertEqual(self.fit(program)["type"], "fitted")
        self.assertEqual(self.update(), [18.0, 18.0])
        program.process.stdin.close()
        self.assertEqual(program.process.wait(20), 0)
        self.assertIn("loading", program.logged())
        self.assertNotIn("after train", program.logged())

    def test_model_init_does_not_replace_the_weights(self) -> None:
        self.fit(self.ready("trainer.model_init = Model"))
        self.assertEqual(self.update(), [18.0, 18.0])

    def test_a_train_that_loads_nothing_is_an_error(self) -> None:
        program = self.ready("trainer.begins = False")
        self.assertIn("train() returned without on_train_begin", self.fit(program)["message"])

    def test_another_model_is_an_error(self) -> None:
        program = self.ready("trainer.other = Model()")
        self.assertIn("trains another model than the one that got the weights: w differs", self.fit(program)["message"])

    def test_callbacks_begin_again_and_see_the_weights(self) -> None:
        program = self.ready("""
    class Counting(Callback):
        count = 0
        def on_train_begin(self, args, state, control, model=None, **given):
            self.count += 1
            print("count", self.count, "weights", model.values[0].tolist())
    trainer.callback_handler.callbacks.append(Counting())
    """)
        for _ in range(2):
            self.fit(program)
        self.assertEqual(re.findall("count .*", program.logged()), ["count 1 weights [10.0, 10.0]"] * 2)

    def test_an_optimizer_of_the_script_begins_again(self) -> None:
        program = self.ready("from transformers.trainer import Optimizer; trainer.optimizer = Optimizer()")
        for _ in range(2):
            self.fit(program)
            self.assertEqual(self.update(), [18.0, 18.0])

    def test_nothing_held_out(self) -> None:
        program = self.ready("trainer.eval_dataset = None")
        self.assertEqual(program.ask("evaluate", tensors="", config=CONFIG)["num_examples"], 0)

    def test_several_data_sets_to_evaluate(self) -> None:
        program = self.ready("trainer.eval_dataset = {'a': [1], 'b': [1, 2, 3]}")
        tensors.write(self.path("base"), [("w", np.array([1.0, 2.0]))])
        answer = program.ask("evaluate", tensors=self.path("base"), config=CONFIG)
        self.assertEqual((answer["loss"], answer["num_examples"]), (3.0, 4))

    def test_metrics_of_the_script_are_kept(self) -> None:
        program = self.ready("trainer.evaluate = lambda: {'eval_loss': 1.0, 'eval_best_epoch': 3, 'epoch': 1.0, 'eval_runtime': 0.1}")
        tensors.write(self.path("base"), [("w", np.array([1.0, 2.0]))])
        answer = program.ask("evaluate", tensors=self.path("base"), config=CONFIG)
        self.assertEqual(answer["metrics"], {"eval_loss": 1.0, "eval_best_epoch": 3.0})

    def test_data_without_a_length(self) -> None:
        body = "trainer.train_dataset = iter([1])"
        self.assertIn("train_dataset has no length, so an update has no weight: name it: --examples N", self.refused(body))
        self.assertEqual(self.fit(self.ready(body, "--examples", "12"))["num_examples"], 12)

    def test_a_model_that_the_run_does_not_have(self) -> None:
        program = self.ready()
        tensors.write(self.path("base"), [("v", np.zeros(2))])
        answer = program.ask("fit", tensors=self.path("base"), output=self.path("update"), config=CONFIG)
        self.assertIn("the model has w, and the run has not", answer["message"])

    def test_arguments_of_the_script(self) -> None:
        program = self.ready("print(sys.argv)", arguments=("--fresh", "{client}", "{dataset_root}/x", "{other}"), FEDSAM_DATASET='{"root": "/data"}')
        self.assertIn("['train.py', '--fresh', 'north', '/data/x', '{other}']", program.logged())


class Restarts(ScriptTest):
    BODY = "trainer.remembers = True"

    def test_what_a_script_remembers_stays_without_fresh(self) -> None:
        program = self.ready(self.BODY)
        for expected in (18.0, 19.0):
            self.fit(program)
            self.assertEqual(self.update(), [expected, expected])

    def test_fresh_restarts_the_script_for_each_fit(self) -> None:
        program = self.ready(self.BODY, "--fresh", arguments=("one", "two"))
        for _ in range(3):
            self.assertEqual(self.fit(program)["type"], "fitted")
            self.assertEqual(self.update(), [18.0, 18.0])
        self.assertEqual(program.logged().count("loading"), 3)
        self.assertEqual(program.end(), 0)

    def test_fresh_restarts_after_an_evaluation_too(self) -> None:
        program = self.ready(self.BODY, "--fresh")
        tensors.write(self.path("base"), [("w", np.zeros(2))])
        program.ask("evaluate", tensors=self.path("base"), config=CONFIG)
        self.fit(program)
        self.assertEqual(program.logged().count("loading"), 2)

    def test_a_fit_that_fails_is_no_part_of_the_next(self) -> None:
        program = self.ready("trainer.fails_below = 0")
        self.assertRegex(self.fit(program, w=-1.0)["message"], r"fit raised ValueError: too low \(trainer.py:\d+ in train")
        self.assertEqual(self.fit(program)["type"], "fitted")
        self.assertEqual(program.logged().count("loading"), 2)

    def test_a_restart_loses_no_text(self) -> None:
        program = self.ready("print('half a line', end='')", "--fresh", PYTHONUNBUFFERED="")
        for _ in range(2):
            self.fit(program)
        program.process.stdin.close()
        self.assertEqual(program.process.wait(20), 0)
        self.assertEqual(program.logged().count("half a line"), 2)


class Ranks(ScriptTest):
    """Rank 0 of torchrun. After a call that failed in it alone, the other ranks wait in the middle of that call."""

    def rank(self, body: str) -> Program:
        program = self.ready(body, WORLD_SIZE="2", RANK="0")
        tensors.write(self.path("base"), [("w", np.array([1.0, 1.0]))])
        return program

    def test_a_call_that_fails_ends_the_rank(self) -> None:
        calls = {
            "trainer.fails_below = 2": {"call": "fit", "output": self.path("update")},
            "trainer.evaluate = lambda: 1 / 0": {"call": "evaluate"},
        }
        for body, call in calls.items():
            with self.subTest(body):
                program = self.rank(body)
                self.assertEqual(program.ask(tensors=self.path("base"), config=CONFIG, **call)["type"], "error")
                self.assertEqual(program.process.wait(20), 1)

    def test_calls_that_succeed_and_the_first_parameters_do_not(self) -> None:
        program = self.rank("trainer.eval_dataset = None")
        self.assertEqual(program.ask("get_parameters", output="/nowhere/own")["type"], "error")
        self.assertEqual(self.fit(program)["type"], "fitted")
        self.assertEqual(self.fit(program)["type"], "fitted")
        self.assertEqual(program.end(), 0)


class Refusals(ScriptTest):
    def test_of_trainers(self) -> None:
        cases = {
            "trainer.is_deepspeed_enabled = True": "with DeepSpeed",
            "trainer.is_fsdp_enabled = True": "with FSDP",
            "trainer.args.load_best_model_at_end = True": "with load_best_model_at_end: remove it: the run's evaluation.bestBy",
            "trainer.train(resume_from_checkpoint=True)": "with resume_from_checkpoint",
            "trainer.train('checkpoint-5')": "with resume_from_checkpoint",
            "import transformers; transformers.__version__ = '4.57.1'": "with transformers 4.57.1: install transformers 5",
            "trainer.hyperparameter_search()": "does not run hyperparameter_search",
        }
        for body, says in cases.items():
            with self.subTest(body):
                self.assertIn(says, self.refused(body))

    def test_of_a_second_train(self) -> None:
        program = self.ready("trainer.twice = True")
        self.assertIn("a second train() was called: call train() once", self.fit(program)["message"])

    def test_of_scripts_that_do_not_train(self) -> None:
        self.assertIn("train.py ended without Trainer.train(): --script runs scripts that call train()", self.refused(text="print('done')"))
        self.assertIn("train.py left the program before it trained: sys.exit(3)", self.refused("sys.exit(3)"))
        line = self.script("1 / 0").line()
        self.assertRegex(line["message"], r"train.py raised ZeroDivisionError: division by zero \(.*train.py:\d+ in <module>")
        program = Program(self.folder, ("--script", "nowhere.py"), {})
        self.addCleanup(program.end)
        self.assertIn("there is no script", program.line()["message"])

    def test_of_lightning(self) -> None:
        text = "from lightning.pytorch.trainer.trainer import Trainer\nTrainer().fit(None)"
        self.assertIn("does not run Lightning's Trainer.fit(): write the loop with fedsam_client.receive()", self.refused(text=text))

    def test_of_fresh_under_torchrun(self) -> None:
        self.assertIn("--fresh cannot restart the processes of torchrun", self.refused("pass", "--fresh", WORLD_SIZE="2", RANK="0"))

    def test_of_a_loop_in_the_script(self) -> None:
        line = self.script(text="import fedsam_client\nfedsam_client.receive()").line()
        self.assertIn("receive() was called by a class or a script that fedsam_client runs", line["message"])


if __name__ == "__main__":
    unittest.main()
