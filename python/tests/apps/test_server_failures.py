"""How a ServerApp on the strategy seam fails: what each failure says."""

import os
import re
import unittest

from strategies import Clients
from test_server import APP, HEAD, ServerTest

from fedsam_client.flower import flower_version


class Failures(ServerTest):
    def test_of_the_app_are_the_runs_with_their_place(self) -> None:
        says = self.refused(self.main('raise ValueError("no such model")'))
        self.assertRegex(says, r"the ServerApp app:app raised ValueError: no such model \(.*app.py:\d+ in main.*: read the whole traceback in the program's log")
        self.assertRegex(self.refused(self.main("sys.exit(3)")), r"left the program: sys.exit\(3\)")
        self.assertEqual(self.ended(self.main("sys.exit(0)"), clients=Clients(None)).result["model"], None)

    def test_of_other_targets_name_the_app(self) -> None:
        more = HEAD + "\n    class Thing: pass\n    thing = Thing()\n"
        cases = {
            "app:client": "app:client is a ClientApp, which runs at the clients.*here that is app:app",
            "app:thing": "app:thing is a Thing, and no ServerApp",
            "app:Thing": "app:Thing is a class, and no ServerApp",
            "app:nothing": "app has no nothing",
            "nowhere:app": "there is no module nowhere",
            "app": "app does not name",
        }
        for target, says in cases.items():
            with self.subTest(target):
                self.assertRegex(self.refused(more, target=target), says)

    def test_of_what_only_flower_runs(self) -> None:
        cases = {
            "\n    from flwr.simulation import run_simulation\n    run_simulation(app, client, 3)\n": "run_simulation simulates a run: fedsam run is the run",
            "\n    import flwr.server\n    flwr.server.start_server()\n": "start_server opens a server of Flower's",
            "\n    from flwr.server.workflow import SecAggPlusWorkflow\n    SecAggPlusWorkflow(3, 2)\n": "SecAggPlusWorkflow is Flower's protocol.*does not run yet",
            "\n    from flwr.app import NewThing\n": f"which flwr {re.escape(flower_version())} does not have.*FedSAM runs apps of flwr 1.22 to 1.42",
        }
        for more, says in cases.items():
            with self.subTest(says):
                self.assertRegex(self.refused(HEAD + more), says)

    def test_of_no_place_to_import_from(self) -> None:
        os.mkdir(self.path("elsewhere"))
        with open(self.path("elsewhere/far_app.py"), "w", encoding="utf-8") as file:
            file.write("from flwr.serverapp import ServerApp\napp = ServerApp()\n@app.main()\ndef main(grid, context): pass\n")
        self.assertRegex(self.refused(HEAD, target="far_app:app"), "there is no module far_app.*--path FOLDER")
        self.assertEqual(self.ended(HEAD, "--path", self.path("elsewhere"), target="far_app:app", clients=Clients(None)).code, 0)
        self.assertEqual(self.ended(HEAD, target=self.path("elsewhere/far_app.py:app"), clients=Clients(None)).code, 0)

    def test_of_arguments(self) -> None:
        self.assertRegex(self.refused(HEAD, "--arg", "x"), "--arg x does not name an argument")
        self.assertRegex(self.refused(HEAD, "--arg", "x=[1]"), "--arg x is a list")

    def test_of_replies_reach_the_strategy(self) -> None:
        clients = self.clients(APP)
        clients.fails = lambda name, kind: {"error": {"code": 2, "reason": "no data"}} if name == "south" else {}
        ended = self.ended(APP, "--arg", "strategy=FedAvg", "--arg", "rounds=1", clients=clients)
        self.assertIn("Received error in reply from node", ended.log)
        self.assertIsNotNone(ended.result["model"])


if __name__ == "__main__":
    unittest.main()
