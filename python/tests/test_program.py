"""The program as FedSAM starts it: what a class prints, starts or forks does not reach the seam; how it starts, fails and ends."""

import os
import signal
import threading
import time
import unittest

import numpy as np
from support import SeamTest

from fedsam_client.seam import Pulse

QUIET = """
    import numpy as np

    class Client:
        def __init__(self, dataset_root="", rate: float = 0.5):
            self.rate = rate
        def get_parameters(self, config):
            return [np.zeros(2)]
        def fit(self, parameters, config):
            {body}
            return parameters, 1, {{"rate": self.rate}}
"""


class Serving(SeamTest):
    def fitting(self, body: str, *args: str):
        program = self.program(QUIET.format(body=body), *args)
        self.assertEqual(program.line()["type"], "ready")
        return program, self.fit(program)

    def fit(self, program):
        base = self.tensors("base", [np.zeros(2)])
        return program.ask("fit", tensors=base, output=self.path("update"), config={"server_round": "1"})

    def test_answers_the_calls_and_leaves_at_the_end(self) -> None:
        program, answer = self.fitting("pass", "client:Client", "--arg", "rate=2")
        self.assertEqual(answer, {"id": 1, "type": "fitted", "num_examples": 1, "metrics": {"rate": 2.0}})
        self.assertEqual(program.ask("get_parameters", output=self.path("own")), {"id": 2, "type": "parameters"})
        self.assertEqual(program.ask("evaluate", tensors="", config={})["num_examples"], 0)
        self.assertEqual(program.end(), 0)

    def test_whatever_is_printed_goes_to_the_log(self) -> None:
        noise = (
            "import os, subprocess, sys; print('printed'); sys.stdout.write('{\"type\": \"fitted\"}\\n'); "
            "os.write(1, b'written\\n'); subprocess.run(['echo', 'from a program']); "
            "assert sys.stdin.read() == ''; subprocess.run(['cat'])"
        )
        program, answer = self.fitting(noise)
        self.assertEqual(answer["type"], "fitted")
        self.assertEqual(answer["id"], 1)
        logged = program.logged()
        for text in ("printed", "written", "from a program", '{"type": "fitted"}'):
            self.assertIn(text, logged)

    def test_programs_and_forks_that_stay_do_not_hold_the_seam(self) -> None:
        body = (
            "import os, subprocess, time; subprocess.Popen(['sleep', '30'], stderr=subprocess.DEVNULL, close_fds=False); "
            "pid = os.fork(); time.sleep(30) if pid == 0 else None; print('forked', pid)"
        )
        program, answer = self.fitting(body)
        self.assertEqual(answer["type"], "fitted")
        forked = int(program.logged().split("forked ")[1].split()[0])
        self.addCleanup(os.kill, forked, signal.SIGKILL)
        program.process.stdin.close()
        began = time.monotonic()
        self.assertEqual(program.process.stdout.read(), "")  # the end of the seam, though both live on
        self.assertLess(time.monotonic() - began, 20)

    def test_a_fork_that_comes_back_answers_nothing(self) -> None:
        program, answer = self.fitting("import os; os.fork()")
        self.assertEqual(answer["type"], "fitted")
        self.assertEqual(program.ask("evaluate", tensors="", config={}), {"id": 2, "type": "evaluated", "loss": 0.0, "num_examples": 0, "metrics": {}})
        self.assertEqual(program.end(), 0)

    def test_processes_of_multiprocessing_work(self) -> None:
        for way in ("fork", "spawn"):
            with self.subTest(way):
                text = f"""
                    import multiprocessing
                    import numpy as np

                    def square(x):
                        print("in the pool")
                        return x * x

                    class Client:
                        def fit(self, parameters, config):
                            with multiprocessing.get_context("{way}").Pool(1) as pool:
                                return parameters, sum(pool.map(square, [1, 2])), {{}}
                """
                program = self.program(text)
                self.assertEqual(program.line()["type"], "ready")
                self.assertEqual(self.fit(program)["num_examples"], 5)

    def test_an_exception_fails_the_call_and_the_next_is_served(self) -> None:
        program, answer = self.fitting("1 / (config['server_round'] - 1)")
        self.assertEqual((answer["type"], answer["code"]), ("error", "TrainerFailed"))
        self.assertRegex(answer["message"], r"fit raised ZeroDivisionError: .*client\.py:\d+ in fit")
        self.assertIn("Traceback", program.logged())
        self.assertEqual(program.ask("get_parameters", output=self.path("own"))["type"], "parameters")

    def test_a_class_reports_if_it_wants_to(self) -> None:
        program = self.program(QUIET.format(body="from fedsam_client import report; report(1, 4, 'step')"))
        program.line()
        program.process.stdin.write('{"id": 1, "call": "fit", "tensors": "%s", "output": "%s", "config": {}}\n' % (
            self.tensors("base", [np.zeros(2)]), self.path("update")))
        program.process.stdin.flush()
        self.assertIn('"progress"', program.process.stdout.readline())

    def test_ends_on_sigterm(self) -> None:
        program = self.program(QUIET.format(body="pass"))
        program.line()
        program.process.terminate()
        self.assertEqual(program.process.wait(20), -signal.SIGTERM)


class Starting(SeamTest):
    def refused(self, text: str, *args: str):
        program = self.program(text, *args)
        line = program.line()
        self.assertEqual(line["type"], "error", line)
        self.assertNotIn("id", line)
        self.assertEqual(program.end(), 1)
        return line

    def test_names_the_argument_that_is_missing(self) -> None:
        line = self.refused("class Client:\n    def __init__(self, num_epochs): pass\n    def fit(self): pass")
        self.assertEqual((line["code"], line["message"]), ("InvalidJob", "client:Client needs num_epochs"))

    def test_names_what_cannot_be_found(self) -> None:
        self.assertIn("has no Clint", self.refused("class Client: pass", "client:Clint")["message"])
        self.assertIn("no module nowhere", self.refused("", "nowhere:Client")["message"])
        self.assertIn("no module client.inner", self.refused("", "client.inner:Client")["message"])
        self.assertIn("there is no file", self.refused("", "nowhere.py:Client")["message"])
        self.assertIn("imports torchlike, which is not installed", self.refused("import torchlike")["message"])
        self.assertIn("does not name a class", self.refused("", "client")["message"])
        self.assertIn("no method fit", self.refused("class Client: pass")["message"])
        self.assertIn("does not name a class", self.refused("", ":Client")["message"])

    def test_shows_what_a_constructor_raised(self) -> None:
        text = "class Client:\n    def __init__(self): open('/nowhere')\n    def fit(self): pass"
        self.assertRegex(self.refused(text)["message"], r"creating client:Client raised FileNotFoundError.*in __init__: def")


class Targets(SeamTest):
    def metrics(self, text: str, *args: str):
        program = self.program(text, *args, env={"FEDSAM_CLIENT": "north", "FEDSAM_DATASET": '{"root": "/data"}'})
        line = program.line()
        self.assertEqual(line["type"], "ready", line)
        base = self.tensors("base", [np.zeros(2)])
        return program.ask("fit", tensors=base, output=self.path("update"), config={})["metrics"]

    CLIENT = """
        class Client:
            def __init__(self, **values):
                self.values = values
            def fit(self, parameters, config):
                return parameters, 1, {key: 1 for key in map(str, self.values.values())}
        class Wrapped:
            def __init__(self, numpy_client):
                self.numpy_client = numpy_client
    """

    def test_client_fn_of_a_context(self) -> None:
        text = self.CLIENT + """
        def client_fn(context):
            return Wrapped(Client(a=context.node_config["client"], b=context.run_config["rate"], c=context.node_config["dataset_root"]))
        """
        self.assertEqual(set(self.metrics(text, "client:client_fn", "--arg", "rate=0.5")), {"north", "0.5", "/data"})

    def test_client_fn_of_a_client_id(self) -> None:
        text = self.CLIENT + """
        def client_fn(cid: str):
            return Client(a=cid)
        """
        self.assertEqual(set(self.metrics(text, "client:client_fn")), {"north"})

    def test_a_file_somewhere_else(self) -> None:
        os.mkdir(self.path("deep"))
        self.file("deep/beside.py", "WORD = 'found'")
        self.file("deep/there.py", "from beside import WORD\n" + "\n".join(line[8:] for line in self.CLIENT.split("\n")) + "\nready = Client(a=WORD)\n")
        self.assertEqual(set(self.metrics("", "deep/there.py:ready")), {"found"})


class Pulses(unittest.TestCase):
    def beats(self, *used: float) -> int:
        """How often it speaks while the processor seconds used grow so."""
        lines, seen, over = [], list(used), threading.Event()

        class Heard:
            def say(self, **line: object) -> None:
                lines.append(line)

        def next_used() -> float:
            if len(seen) == 1:
                over.set()
            return seen.pop(0) if len(seen) > 1 else seen[0]

        with Pulse(Heard(), seconds=0.01, used=next_used):
            self.assertTrue(over.wait(20))
        return len(lines)

    def test_are_of_work_alone(self) -> None:
        self.assertEqual(self.beats(1.0, 1.0, 1.01, 1.01, 1.02), 0)
        self.assertEqual(self.beats(1.0, 1.5, 1.5, 2.5, 2.5), 2)


if __name__ == "__main__":
    unittest.main()
