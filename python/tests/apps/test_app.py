"""ClientApps on the seam, with this environment's flwr: messages, replies, options and refusals."""

import json
import unittest
from typing import Any, Dict, Optional

import numpy as np
from support import Program, SeamTest

from fedsam_client import tensors
from fedsam_client.errors import ClientError
from fedsam_client.flower import flower_version, node_id, refuse_version

HEAD = """
    import json, os
    import numpy as np
    from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Error, Message, MetricRecord, RecordDict
    from flwr.clientapp import ClientApp

    app = ClientApp()

    def replied(msg, arrays=None, **metrics):
        content = RecordDict({"metrics": MetricRecord({"num-examples": 7, **metrics})})
        if arrays is not None:
            content["arrays"] = arrays
        return Message(content, reply_to=msg)
"""

#: Writes all that a train message and its Context hold to a file.
SEEN = """
    @app.train()
    def train(msg, context):
        seen = {
            "records": list(msg.content),
            "arrays": {name: array.numpy().tolist() for name, array in msg.content["arrays"].items()},
            "config": [[key, value, type(value).__name__] for key, value in msg.content["config"].items()],
            "node_config": context.node_config,
            "run_config": context.run_config,
            "type": msg.metadata.message_type,
            "from": msg.metadata.src_node_id,
            "to": msg.metadata.dst_node_id,
            "ids": [context.node_id, context.run_id, msg.metadata.run_id],
        }
        with open("seen.json", "w") as file:
            json.dump(seen, file)
        return replied(msg, msg.content["arrays"], curve=[0.5, 0.25], loss=1)
"""

#: Counts its calls in context.state, and fails where the config says so.


class AppTest(SeamTest):
    """Programs that serve client:app of a source text."""

    def app(self, text: str, *args: str, target: str = "client:app", env: Optional[Dict[str, str]] = None) -> Program:
        self.file("client.py", HEAD + text)
        started = Program(self.folder, (target, *args), env or {})
        self.addCleanup(started.end)
        return started

    def ready(self, text: str, *args: str, **more: Any) -> Program:
        program = self.app(text, *args, **more)
        line = program.line()
        self.assertEqual(line["type"], "ready", line)
        return program

    def base(self, **arrays: np.ndarray) -> str:
        tensors.write(self.path("base"), list((arrays or {"w": np.zeros(2)}).items()))
        return self.path("base")

    def fit(self, program: Program, base: Optional[str] = None, config: Optional[Dict[str, str]] = None, **more: Any) -> Dict[str, Any]:
        given = {"server_round": "3", **(config or {})}
        return program.ask("fit", tensors=base or self.base(), output=self.path("update"), config=given, **more)

    def refused(self, text: str, *args: str, **more: Any) -> str:
        line = self.app(text, *args, **more).line()
        self.assertEqual((line["type"], line["code"]), ("error", "InvalidJob"), line)
        return f"{line['message']}: {line['remedy']}"

    def failed(self, text: str, *args: str, call: str = "fit", **more: Any) -> str:
        program = self.ready(text, *args)
        answer = self.fit(program, **more) if call == "fit" else program.ask(call, tensors=self.base(), config={})
        self.assertEqual(answer["type"], "error", answer)
        return str(answer["message"])

    def seen(self) -> Dict[str, Any]:
        with open(self.path("seen.json"), encoding="utf-8") as file:
            return json.load(file)


class Messages(AppTest):
    def test_hold_what_flowers_fedavg_sends(self) -> None:
        env = {"FEDSAM_CLIENT": "north", "FEDSAM_DATASET": '{"root": "/data"}', "FEDSAM_PARTITION_ID": "1", "FEDSAM_NUM_PARTITIONS": "3"}
        program = self.ready(SEEN, "--arg", "local-epochs=2", "--arg", "lr=0.1", env=env)
        base = self.base(**{"b.weight": np.array([[1.5, 2.0]]), "a": np.array(3, "int64")})
        answer = self.fit(program, base, {"lr": "0.5", "deep": "true", "name": "x", "seed": "1" * 64})
        self.assertEqual(answer, {"id": 1, "type": "fitted", "num_examples": 7, "metrics": {"curve.0": 0.5, "curve.1": 0.25, "loss": 1.0}})
        seen = self.seen()
        self.assertEqual(seen["records"], ["arrays", "config"])
        self.assertEqual(seen["arrays"], {"a": 3, "b.weight": [[1.5, 2.0]]})
        config = [["lr", 0.5, "float"], ["deep", True, "bool"], ["name", "x", "str"], ["server-round", 3, "int"], ["seed", "1" * 64, "str"]]
        self.assertEqual(seen["config"], config)
        self.assertEqual(seen["node_config"], {"partition-id": 1, "num-partitions": 3, "client": "north", "dataset_root": "/data"})
        self.assertEqual(seen["run_config"], {"local-epochs": 2, "lr": 0.1})
        own = node_id("north")
        self.assertEqual((seen["type"], seen["from"], seen["to"], seen["ids"]), ("train", 1, own, [own, 1, 1]))
        self.assertEqual([spec.name for spec, _ in tensors.read(self.path("update"))], ["a", "b.weight"])

    def test_have_arrays_of_numbers_in_the_order_of_the_numbers(self) -> None:
        program = self.ready(SEEN)
        self.fit(program, self.base(**{str(place): np.array([float(place)]) for place in range(12)}))
        self.assertEqual(list(self.seen()["arrays"]), [str(place) for place in range(12)])

    def test_have_the_order_of_initial(self) -> None:
        more = """
    def model():
        return {"z": np.ones(1), "a": np.zeros(2)}
"""
        program = self.ready(SEEN + more, "--initial", "client:model")
        self.assertEqual(program.ask("get_parameters", output=self.path("base")), {"id": 1, "type": "parameters"})
        self.fit(program, self.path("base"))
        self.assertEqual(self.seen()["arrays"], {"z": [1.0], "a": [0.0, 0.0]})
        self.assertEqual(list(self.seen()["arrays"]), ["z", "a"])

    def test_of_a_run_with_other_tensors_than_initial_name_them(self) -> None:
        more = """
    model = [np.ones(1), np.zeros(2)]
"""
        answer = self.fit(self.ready(SEEN + more, "--initial", "client:model"), self.base(w=np.zeros(2)))
        self.assertRegex(answer["message"], "the run has other tensors than --initial client:model: 0, 1, w")

    def test_of_actions_and_keys_that_options_name(self) -> None:
        text = """
    @app.train("slowly")
    def slowly(msg, context):
        assert list(msg.content) == ["model", "settings"], list(msg.content)
        content = RecordDict({"m": MetricRecord({"weight": 5.0, "num-examples": 2}), "other": msg.content["model"]})
        return Message(content, reply_to=msg)

    @app.evaluate("twice")
    def twice(msg, context):
        return Message(RecordDict({"m": MetricRecord({"weight": 3, "loss_a": 1.5, "loss_b": 2.5})}), reply_to=msg)
"""
        options = ["--train-action", "slowly", "--evaluate-action", "twice", "--arrayrecord-key", "model", "--configrecord-key", "settings"]
        program = self.ready(text, *options, "--weighted-by-key", "weight", "--loss", "loss_b")
        self.assertEqual(self.fit(program)["num_examples"], 5)
        answer = program.ask("evaluate", tensors=self.base(), config={})
        self.assertEqual((answer["loss"], answer["num_examples"], answer["metrics"]), (2.5, 3, {"loss_a": 1.5, "loss_b": 2.5}))

    def test_of_sixteen_bits_are_those_of_round_0(self) -> None:
        text = """
    @app.train()
    def train(msg, context):
        assert msg.content["arrays"]["w"].dtype == "float16", msg.content["arrays"]["w"].dtype
        return replied(msg, msg.content["arrays"])
"""
        given = np.array([0.1, 0.2], np.float32)
        answer = self.fit(self.ready(text), self.base(w=given), dtypes=["F16"])
        self.assertEqual(answer["type"], "fitted", answer)
        self.assertEqual(tensors.read(self.path("update"))[0][1].tolist(), given.tolist())

    def test_start_at_what_a_query_returns(self) -> None:
        text = SEEN + """
    @app.query("first")
    def first(msg, context):
        context.state["q"] = MetricRecord({"x": 1})
        return Message(RecordDict({"arrays": ArrayRecord({"z": Array(np.ones(2)), "a": Array(np.zeros(1))})}), reply_to=msg)
"""
        program = self.ready(text, "--initial", "query.first")
        program.ask("get_parameters", output=self.path("base"))
        answer = self.fit(program, self.path("base"), state_output=self.path("state"))
        self.assertNotIn("state", answer)
        self.assertEqual(list(self.seen()["arrays"]), ["z", "a"])


class Replies(AppTest):
    def replying(self, body: str, *args: str, **more: Any) -> str:
        return self.failed(f"""
    @app.train()
    def train(msg, context):
        {body}
""", *args, **more)

    def test_that_are_errors_are_the_clients_outcome(self) -> None:
        text = "return Message(Error(code=6, reason='no data on this site'), reply_to=msg)"
        self.assertEqual(self.replying(text), "train replied with error 6: no data on this site")

    def test_that_raise_show_where(self) -> None:
        self.assertRegex(self.replying("raise ValueError('wrong folder')"), r"train raised ValueError: wrong folder \(.*client.py:\d+ in train")
        self.assertRegex(self.replying("raise SystemExit(3)"), r"train left the program: sys.exit\(3\)")

    def test_that_need_an_unknown_place_say_what_to_set(self) -> None:
        says = "train reads partition-id of context.node_config, which this trainer does not know: set FEDSAM_PARTITION_ID"
        self.assertRegex(self.replying('return context.node_config["partition-id"]'), says)

    def test_that_cannot_be_used_are_named(self) -> None:
        arrays = 'msg.content["arrays"]'
        cases = {
            "return 3": "train returned a int.*return a Message",
            "return replied(msg)": "train replied with 0 records of type ArrayRecord",
            f"return Message(RecordDict({{'a': {arrays}}}), reply_to=msg)": "train replied with 0 records of type MetricRecord",
            f"return Message(RecordDict({{'a': {arrays}, 'm': MetricRecord({{'n': 1}})}}), reply_to=msg)": "without the metric num-examples; it has: n",
            f"return replied(msg, {arrays}, **{{'num-examples': 2.5}})": "train replied with 2.5 as num-examples",
            f"return replied(msg, {arrays}, **{{'num-examples': 0}})": "train replied with 0 as num-examples",
            f"return replied(msg, {arrays}, **{{'num-examples': [1]}})": r"train replied with \[1\] as num-examples",
            "return replied(msg, ArrayRecord({'v': Array(np.zeros(2))}))": "train replied with other arrays than it was given: v, w",
            "return replied(msg, ArrayRecord({'w': Array(np.zeros(3))}))": r"train returned array 0 \(w\) with shape \(3,\)",
            "return replied(msg, ArrayRecord({'w': Array('x', (2,), 'own', b'')}))": "the array w has the form own",
            "return replied(msg, ArrayRecord({'w': Array(np.zeros(2, complex))}))": "complex128, which cannot be sent",
        }
        branches = [f"        if case == {place}: {body}\n" for place, body in enumerate(cases)]
        program = self.ready('    @app.train()\n    def train(msg, context):\n        case = msg.content["config"]["case"]\n' + "".join(branches))
        for place, (body, says) in enumerate(cases.items()):
            with self.subTest(body):
                answer = self.fit(program, config={"case": str(place)})
                self.assertEqual(answer["type"], "error", answer)
                self.assertRegex(answer["message"], says)

    def test_without_a_clear_loss_are_named(self) -> None:
        text = SEEN + """
    @app.evaluate()
    def evaluate(msg, context):
        return replied(msg, accuracy=0.5)
"""
        self.assertRegex(self.failed(text, call="evaluate"), "replied without a metric that is clearly the loss; it has: num-examples, accuracy.*--loss KEY")
        program = self.ready(text, "--loss", "accuracy")
        self.assertEqual(program.ask("evaluate", tensors=self.base(), config={})["loss"], 0.5)

    def test_of_apps_without_evaluate_hold_nothing_out(self) -> None:
        self.assertEqual(self.ready(SEEN).ask("evaluate", tensors=self.base(), config={})["num_examples"], 0)


class Apps(AppTest):
    def test_that_cannot_train_are_refused(self) -> None:
        self.assertRegex(self.refused(""), "no function for train.default; it has: none.*@app.train")
        other = '    @app.train("fast")\n    def fast(msg, context): pass\n'
        self.assertRegex(self.refused(other, "--train-action", "x"), "no function for train.x; it has: train.fast: .*--train-action")
        # It may still serve a strategy that sends train.fast, so only the calls of an ordinary one fail.
        program = self.ready(other)
        for answer in (self.fit(program), program.ask("get_parameters", output=self.path("base"))):
            self.assertRegex(answer["message"], "no function for train.default; it has: train.fast: .*--train-action")
        self.assertRegex(self.refused(SEEN, "--evaluate-action", "x"), "no function for evaluate.x")

    def test_without_initial_parameters_say_what_to_do(self) -> None:
        answer = self.ready(SEEN).ask("get_parameters", output=self.path("base"))
        self.assertRegex(answer["message"], "no initial parameters.*spec.model.initialParameters.*--initial")

    def test_of_secure_aggregation_are_refused(self) -> None:
        for text in (
            "    from flwr.client.mod import secaggplus_mod\n    app = ClientApp(mods=[secaggplus_mod])\n" + SEEN,
            "    from flwr.client.mod import secaggplus_mod\n" + SEEN.replace("@app.train()", "@app.train(mods=[secaggplus_mod])"),
        ):
            self.assertRegex(self.refused(text), "has the mod secaggplus_mod, which FedSAM does not run yet.*Local")

    def test_of_a_client_fn_run_with_their_mods(self) -> None:
        text = """
    from flwr.client import NumPyClient

    class Client(NumPyClient):
        def __init__(self, context):
            self.context = context
        def get_parameters(self, config):
            return [np.zeros(2), np.ones(1)]
        def fit(self, parameters, config):
            state = self.context.state
            state["n"] = MetricRecord({"n": state["n"]["n"] + 1 if "n" in state else 1})
            return [array + 1 for array in parameters], 4, {"times": state["n"]["n"], "rate": self.context.run_config["rate"]}
        def evaluate(self, parameters, config):
            return float(parameters[0].sum()), 2, {"round": config["server_round"]}

    def mod(msg, context, call_next):
        print("MOD", msg.metadata.message_type)
        return call_next(msg, context)

    app = ClientApp(client_fn=lambda context: Client(context).to_client(), mods=[mod])
"""
        program = self.ready(text, "--arg", "rate=0.5")
        program.ask("get_parameters", output=self.path("first"))
        answer = self.fit(program, self.path("first"), state_output=self.path("state"))
        self.assertEqual((answer["num_examples"], answer["metrics"]), (4, {"times": 1.0, "rate": 0.5}))
        again = self.fit(program, self.path("first"), state=answer["state"], state_output=self.path("state2"))
        self.assertEqual(again["metrics"]["times"], 2.0)
        found = program.ask("evaluate", tensors=self.path("update"), config={"server_round": "2"})
        self.assertEqual((found["loss"], found["metrics"]), (2.0, {"round": 2.0}))
        self.assertEqual(program.logged().count("MOD"), 4)
        self.assertRegex(self.refused(text, "--loss", "x"), "has no messages, for which --loss would count")

    def test_of_flowers_other_kinds_are_refused(self) -> None:
        text = SEEN + """
    from flwr.server import start_server
    from flwr.serverapp import ServerApp
    from flwr.serverapp.strategy import FedAvg
    from flwr.simulation import run_simulation
    server, strategy = ServerApp(), FedAvg
"""
        cases = {
            "server": "is a Flower ServerApp: FedSAM's coordinator.*here that is client:app",
            "strategy": "is a Flower strategy",
            "run_simulation": "is Flower's run_simulation, which only simulates",
            "start_server": "is Flower's own function start_server",
        }
        for name, says in cases.items():
            with self.subTest(name):
                self.assertRegex(self.refused(text, target=f"client:{name}"), says)

    def test_of_other_versions(self) -> None:
        for version in ("1.8.0", "1.13.1", "1.21.0"):
            with self.subTest(version), self.assertRaisesRegex(ClientError, f"the ClientApp x needs the Message API of flwr 1.22 to 1.42, and flwr {version} is installed"):
                refuse_version(version, "the ClientApp x")
        refuse_version(flower_version(), "x")
        text = "    from flwr.app import NewThing\n" + SEEN
        program = self.app(text)
        self.assertRegex(program.line()["message"], f"client imports NewThing from flwr.app, which flwr {flower_version()} does not have")


if __name__ == "__main__":
    unittest.main()
