"""What a script finds around it under --script: the same as python itself gives it. Also refusals that it catches, and wrong options."""

import json
import os
import subprocess
import sys

from support import PACKAGE
from test_script import STAND_IN, ScriptTest

#: Writes what it finds to the file seen.json of the working folder.
PROBE = """
    import json, os, pickle, sys
    import helper

    class Own: pass

    main = sys.modules["__main__"]
    found = {
        "argv": sys.argv, "file": __file__, "name": __name__, "path": sys.path, "spec": repr(__spec__), "package": repr(__package__),
        "main": main.__dict__ is globals(), "pickle": type(pickle.loads(pickle.dumps(Own()))) is Own, "helper": os.path.realpath(helper.__file__),
        "doc": __doc__, "cached": globals().get("__cached__"), "builtins": type(__builtins__).__name__,
        "loader": [type(__loader__).__name__, __loader__.name, __loader__.path],
    }
    with open("seen.json", "w") as file:
        json.dump(found, file)
"""


class Place(ScriptTest):
    def seen(self, *command: str) -> dict:
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join([STAND_IN, PACKAGE]), "FEDSAM_CLIENT": "north"}
        subprocess.run([sys.executable, *command], cwd=self.path("here"), env=variables, stdin=subprocess.DEVNULL, capture_output=True)
        with open(self.path("here/seen.json"), encoding="utf-8") as file:
            found = json.load(file)
        os.remove(self.path("here/seen.json"))
        return found

    def test_a_script_finds_what_python_gives_it(self) -> None:
        for name in ("here", "there", "linked"):
            os.mkdir(self.path(name))
        self.file("there/train.py", PROBE)
        self.file("there/helper.py", "")
        # A module of the working folder is no module of the script.
        self.file("here/helper.py", "")
        os.symlink("../there/train.py", self.path("linked/train.py"))
        arguments = ("--rate", "0.5", "--", "-m", "--script", "--fresh", "")
        for script in ("../there/train.py", self.path("there/train.py"), "../linked/train.py"):
            with self.subTest(script):
                self.assertEqual(self.seen("-m", "fedsam_client", "--script", script, *arguments), self.seen(script, *arguments))

    def test_a_script_that_changes_its_folder_finds_its_own_file(self) -> None:
        text = """
            import os
            os.chdir("/")
            with open(__file__) as file: print("own file:", len(file.read()) > 0)
            from transformers.trainer import Args, Model, Trainer
            Trainer(Model(), Args(), train_dataset=[1]).train()
        """
        self.assertIn("own file: True", self.ready(text=text.replace("{", "{{")).logged())


class Swallowed(ScriptTest):
    CATCHING = """
        import sys
        from transformers.trainer import Args, Model, Trainer

        trainer = Trainer(Model(), Args(), train_dataset=[1])
        trainer.is_fsdp_enabled = True
        try:
            trainer.train()
        except Exception:
            {body}
    """

    def test_a_refusal_that_the_script_catches_is_still_said(self) -> None:
        for body in ("pass", "sys.exit(1)", "raise ValueError('training failed')"):
            with self.subTest(body):
                self.assertIn("does not run a Trainer with FSDP", self.refused(body, text=self.CATCHING))

    def test_a_library_that_first_looks_whether_a_trainer_is_there(self) -> None:
        text = """
            import importlib.util
            import transformers
            importlib.util.find_spec("transformers.trainer")
            from transformers.trainer import Args, Model, Trainer
            Trainer(Model(), Args(), train_dataset=[1]).train()
        """
        self.assertEqual(self.fit(self.ready(text=text))["type"], "fitted")

    def test_a_first_import_that_fails(self) -> None:
        text = """
            import sys
            import transformers
            sys.modules["numpy.random"], kept = None, sys.modules.get("numpy.random")
            kept_numpy = sys.modules.pop("numpy"); sys.modules["numpy"] = None
            try:
                import transformers.trainer
            except ImportError:
                print("not yet")
            sys.modules["numpy"], sys.modules["numpy.random"] = kept_numpy, kept
            from transformers.trainer import Args, Model, Trainer
            Trainer(Model(), Args(), train_dataset=[1]).train()
        """
        program = self.ready(text=text)
        self.assertIn("not yet", program.logged())
        self.assertEqual(self.fit(program)["type"], "fitted")


class Options(ScriptTest):
    def test_examples_that_are_no_weight(self) -> None:
        for number in ("0", "-1"):
            self.assertIn(f"--examples is {number}: name a whole number from 1", self.refused("pass", "--examples", number))

    def test_a_dataset_that_is_not_json(self) -> None:
        self.assertIn("FEDSAM_DATASET is not JSON", self.refused(arguments=("{client}",), FEDSAM_DATASET="{"))

    def test_no_script(self) -> None:
        self.assertIn("--script names no file", self.refused_alone("--script"))

    def refused_alone(self, *args: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "fedsam_client", *args], cwd=self.folder, env={**os.environ, "PYTHONPATH": PACKAGE}, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        line = json.loads(done.stdout)
        self.assertEqual((done.returncode, line["type"]), (1, "error"))
        return f"{line['message']}: {line['remedy']}"
