"""A Flower app's folder: components, values of run_config that keep their types, --run-config as flwr run reads it, refusals by name."""

import contextlib
import io
import json
import os
import unittest
from typing import Any, Dict, List

from support import SeamTest

from fedsam_client import project
from fedsam_client.errors import ClientError
from fedsam_client.values import scalar

PROJECT = """
[project]
name = "My_App"

[tool.flwr.app.components]
serverapp = "quick.server_app:app"
clientapp = "quick.client_app:app"

[tool.flwr.app.config]
num-server-rounds = 3
lr = 1e-05
whole = 2.0
use-gpu = false
model = "resnet 18"
fold = "1"
inner.deep = "true"
inner.name = "[CLS]"

[tool.flwr.federations]
default = "local-simulation"

[tool.flwr.federations.local-simulation]
options.num-supernodes = 4
"""


class Projects(SeamTest):
    def read(self, text: str = PROJECT, *overrides: str) -> Dict[str, Any]:
        self.file("pyproject.toml", text)
        return project.read(self.folder, list(overrides))

    def refused(self, text: str, *overrides: str) -> str:
        with self.assertRaises(ClientError) as caught:
            self.read(text, *overrides)
        return f"{caught.exception.message}: {caught.exception.remedy}"

    def config(self, *overrides: str) -> Dict[str, Any]:
        pairs = [text.split("=", 1) for text in self.read(PROJECT, *overrides)["arguments"]]
        return {name: scalar(text, name) for name, text in pairs}

    def test_have_the_components_and_the_nodes(self) -> None:
        found = self.read()
        self.assertEqual({key: found[key] for key in ("name", "serverapp", "clientapp", "nodes")}, {
            "name": "My_App", "serverapp": "quick.server_app:app", "clientapp": "quick.client_app:app", "nodes": 4,
        })
        self.assertIsNone(self.read(PROJECT.split("[tool.flwr.federations]")[0])["nodes"])

    def test_have_values_of_their_types(self) -> None:
        wanted = {"num-server-rounds": 3, "lr": 1e-05, "whole": 2.0, "use-gpu": False, "model": "resnet 18", "fold": "1", "inner.deep": "true", "inner.name": "[CLS]"}
        found = self.config()
        self.assertEqual(found, wanted)
        self.assertEqual({name: type(value) for name, value in found.items()}, {name: type(value) for name, value in wanted.items()})

    def test_take_run_config_as_flwr_run_does(self) -> None:
        found = self.config("lr=0.5 model='a b' fold=\"2\"", "inner.deep=\"x\" use-gpu=true")
        self.assertEqual([found[name] for name in ("lr", "model", "fold", "inner.deep", "use-gpu", "whole")], [0.5, "a b", "2", "x", True, 2.0])
        self.assertEqual(self.config(self.file("more.toml", "lr = 2\n[inner]\ndeep = 'y'\n"))["inner.deep"], "y")
        self.assertRegex(self.refused(PROJECT, "rl=1"), "--run-config sets rl, which the app does not have.*has: num-server-rounds, lr")
        self.assertRegex(self.refused(PROJECT, "lr=1 model"), "is no list of name=value")
        self.assertRegex(self.refused(PROJECT, "lr=one"), "--run-config lr=one is not TOML")

    def test_that_fedsam_cannot_run_are_named(self) -> None:
        self.assertRegex(self.refused("x = 1"), r"has no \[tool.flwr.app\]")
        self.assertRegex(self.refused("x = "), "is not TOML")
        self.assertRegex(self.refused(PROJECT.replace("clientapp =", "agentapp =")), "has the component agentapp, which FedSAM does not run")
        self.assertRegex(self.refused(PROJECT.replace('clientapp = "quick.client_app:app"', "")), "names no clientapp")
        self.assertRegex(self.refused(PROJECT.replace("lr = 1e-05", "lr = [1]")), "lr in .*pyproject.toml is a list")
        self.assertRegex(self.refused(PROJECT.replace("lr = 1e-05", "lr = nan")), "lr is nan, which --arg cannot carry")
        with self.assertRaisesRegex(ClientError, "pyproject.toml cannot be read"):
            project.read(os.path.join(self.folder, "nowhere"), [])

    def test_are_one_line_of_json(self) -> None:
        def said(args: List[str]) -> Any:
            with contextlib.redirect_stdout(io.StringIO()) as out:
                return project.main(args), json.loads(out.getvalue())

        self.file("pyproject.toml", PROJECT)
        code, found = said([self.folder, "--run-config", "lr=3"])
        self.assertEqual((code, found["arguments"][1]), (0, "lr=3"))
        code, found = said([self.path("nowhere")])
        self.assertEqual((code, list(found["error"])), (1, ["message", "remedy"]))


if __name__ == "__main__":
    unittest.main()
