"""ServerApps on the strategy seam, with this environment's flwr: the strategies of Flower and one of the app's own end with the bits that they
have under flwr itself; what an app is given, what it may send, and how it fails."""

import json
import os
import unittest
from typing import Any, Dict

import numpy as np
from strategies import NAMES, Clients, Ended, StrategyTest, imported, under_flower
from test_records import exact

from fedsam_client import records, tensors
from fedsam_client.flower import node_id

CLIENT = """
    import numpy as np
    from flwr.app import Array, ArrayRecord, MetricRecord, Message, RecordDict
    from flwr.clientapp import ClientApp

    client = ClientApp()

    def data(context):
        place = context.node_config["partition-id"]
        numbers = np.random.default_rng(place)
        points = numbers.standard_normal((20 + 3 * place, 4))
        return points, points @ np.array([1.0, -2.0, 0.5, 0.1 * place])

    @client.train()
    def train(msg, context):
        points, values = data(context)
        w = msg.content["arrays"]["w"].numpy()
        count = context.state["count"]["n"] + 1 if "count" in context.state else 1
        context.state["count"] = MetricRecord({"n": count})
        for _ in range(context.run_config.get("epochs", 2)):
            w = w - msg.content["config"]["lr"] * points.T @ (points @ w - values) / len(values)
        content = {"arrays": ArrayRecord({"w": Array(w), "b": Array(msg.content["arrays"]["b"].numpy() + count)})}
        content["metrics"] = MetricRecord({"num-examples": len(values), "loss": float(((points @ w - values) ** 2).mean()), "count": count})
        return Message(RecordDict(content), reply_to=msg)

    @client.evaluate()
    def evaluate(msg, context):
        points, values = data(context)
        error = points @ msg.content["arrays"]["w"].numpy() - values
        return Message(RecordDict({"metrics": MetricRecord({"num-examples": len(values), "loss": float((error**2).mean())})}), reply_to=msg)
"""
HEAD = CLIENT + """
    import json, os, random, sys
    from flwr.app import ConfigRecord, Context
    from flwr.serverapp import Grid, ServerApp
    from flwr.serverapp import strategy as kinds

    app = ServerApp()

    def initial():
        return ArrayRecord({"w": Array(np.zeros(4)), "b": Array(np.zeros(2, np.float32))})
"""
APP = HEAD + """
    class Momentum(kinds.FedAvg):
        velocity = None

        def aggregate_train(self, server_round, replies):
            replies = sorted(replies, key=lambda reply: reply.content["metrics"]["loss"])
            arrays, metrics = super().aggregate_train(server_round, replies)
            self.velocity = [array.numpy() + (0 if self.velocity is None else 0.5 * self.velocity[place]) for place, array in enumerate(arrays.values())]
            return ArrayRecord({name: Array(value) for name, value in zip(arrays, self.velocity)}), metrics

    MOST = {"min_train_nodes": 7, "min_evaluate_nodes": 7, "min_available_nodes": 7}
    STRATEGIES = {
        "FedAvg": lambda: kinds.FedAvg(**MOST),
        "Sampled": lambda: kinds.FedAvg(fraction_train=0.5, fraction_evaluate=0.3, min_available_nodes=7),
        "FedAdam": lambda: kinds.FedAdam(**MOST, eta=0.1),
        "FedProx": lambda: kinds.FedProx(**MOST, proximal_mu=0.2),
        "Krum": lambda: kinds.Krum(**MOST, num_malicious_nodes=1),
        "Bulyan": lambda: kinds.Bulyan(**MOST, num_malicious_nodes=1),
        "Private": lambda: kinds.DifferentialPrivacyServerSideFixedClipping(kinds.FedAvg(**MOST), noise_multiplier=0.05, clipping_norm=1.0, num_sampled_clients=7),
        "Own": lambda: Momentum(**MOST),
    }

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        print("the app prints", os.getcwd())
        os.write(1, b'{"id": 1, "call": "clients"}\\n')
        result = STRATEGIES[context.run_config["strategy"]]().start(
            grid=grid,
            initial_arrays=initial(),
            num_rounds=context.run_config["rounds"],
            train_config=ConfigRecord({"lr": 0.1}),
            evaluate_fn=lambda server_round, arrays: MetricRecord({"norm": float(np.linalg.norm(arrays["w"].numpy()))}),
        )
        os.makedirs("deep", exist_ok=True)
        np.savez("deep/final.npz", **{name: array.numpy() for name, array in result.arrays.items()})
        with open("metrics.json", "w") as file:
            kinds_of = {"train": result.train_metrics_clientapp, "evaluate": result.evaluate_metrics_clientapp, "server": result.evaluate_metrics_serverapp}
            json.dump({kind: dict(found[max(found)]) for kind, found in kinds_of.items() if found}, file)
"""
ROUNDS = 3


class ServerTest(StrategyTest):
    def clients(self, text: str, names: Any = NAMES, **run_config: str) -> Clients:
        return Clients(imported(self.file("app.py", text), "client_app").client, names, run_config)

    def ended(self, text: str, *args: str, **more: Any) -> Ended:
        clients = more.pop("clients", None) or self.clients(text)
        self.file("app.py", text)
        ended = self.serve(clients, *args, **more)
        self.assertEqual((ended.code, ended.error), (0, None), ended.log)
        return ended

    def refused(self, text: str, *args: str, clients: Any = None, **more: Any) -> str:
        """The message and the remedy of a run that fails."""
        self.file("app.py", text)
        ended = self.serve(clients or Clients(None), *args, **more)
        self.assertEqual((ended.code, ended.result), (1, None), ended.log)
        self.assertIsNotNone(ended.error, ended.log)
        says = f"{ended.error['message']}: {ended.error['remedy']}"
        self.assertIn(says, ended.log.strip().split("\n")[-1])
        return says

    def model(self) -> Dict[str, np.ndarray]:
        return {spec.name: array for spec, array in tensors.read(self.path("model.safetensors"))}

    def main(self, body: str) -> str:
        lines = "".join(f"        {line}\n" for line in body.strip().split("\n"))
        return HEAD + "\n    @app.main()\n    def main(grid, context):\n" + lines


class Strategies(ServerTest):
    def compared(self, strategy: str) -> Ended:
        run_config = {"strategy": strategy, "rounds": ROUNDS, "epochs": 2}
        args = [text for name, value in run_config.items() for text in ("--arg", f"{name}={value}")]
        ended = self.ended(APP, *args)
        os.mkdir(self.path("flower"))
        under_flower(self.path("app.py"), self.clients(APP), self.path("flower"), run_config)
        found = self.model()
        with np.load(self.path("flower/deep/final.npz")) as theirs:
            self.assertEqual(sorted(found), sorted(theirs))
            for name, array in theirs.items():
                self.assertEqual((found[name].dtype, found[name].tobytes()), (array.dtype, array.tobytes()), name)
        with open(self.path("flower/metrics.json"), encoding="utf-8") as file:
            wanted = {f"{kind}.{name}": value for kind, values in json.load(file).items() for name, value in values.items()}
        self.assertEqual(ended.result["metrics"], wanted)
        self.assertEqual(ended.result["files"], ["app/metrics.json", "deep/final.npz"])
        self.assertTrue(all(os.path.isfile(os.path.join(self.work, name)) for name in ended.result["files"]))
        self.assertEqual(ended.rounds, [(number, ROUNDS) for number in range(1, ROUNDS + 1)])
        self.assertIn("the app prints", ended.log)
        return ended

    def test_fedavg(self) -> None:
        ended = self.compared("FedAvg")
        self.assertEqual([[one["kind"] for one in asked.messages] for asked in ended.exchanges], [["train"] * 7, ["evaluate"] * 7] * ROUNDS)
        self.assertEqual([asked.timeout for asked in ended.exchanges], [3600] * 2 * ROUNDS)
        # Seven messages, one content.
        self.assertEqual(len({one["content"] for one in ended.exchanges[0].messages}), 1)

    def test_fedavg_of_a_sample(self) -> None:
        ended = self.compared("Sampled")
        self.assertEqual([len(asked.messages) for asked in ended.exchanges], [3, 2] * ROUNDS)

    def test_fedadam(self) -> None:
        self.compared("FedAdam")

    def test_fedprox(self) -> None:
        ended = self.compared("FedProx")
        config = records.decode(ended.exchanges[0].contents[0])["config"]
        self.assertEqual(dict(config), {"lr": 0.1, "server-round": 1, "proximal-mu": 0.2})

    def test_krum(self) -> None:
        self.compared("Krum")

    def test_bulyan(self) -> None:
        self.compared("Bulyan")

    def test_differential_privacy_at_the_server(self) -> None:
        self.compared("Private")

    def test_one_of_the_apps_own_that_keeps_state(self) -> None:
        self.compared("Own")

    def test_a_program_that_was_killed_asks_the_same_again(self) -> None:
        for strategy in ("Sampled", "Private"):
            with self.subTest(strategy):
                args = ("--arg", f"strategy={strategy}", "--arg", f"rounds={ROUNDS}")
                whole = self.ended(APP, *args)
                model = self.model()
                killed = self.serve(self.clients(APP), *args, kill=4)
                self.assertEqual(killed.code, -9)
                again = self.ended(APP, *args)
                self.assertEqual([asked.ordered() for asked in killed.exchanges], [asked.ordered() for asked in whole.exchanges[:3]])
                self.assertEqual([asked.ordered() for asked in again.exchanges], [asked.ordered() for asked in whole.exchanges])
                self.assertEqual({name: array.tobytes() for name, array in self.model().items()}, {name: array.tobytes() for name, array in model.items()})


class Grids(ServerTest):
    def test_have_the_whole_surface(self) -> None:
        body = """
nodes = list(grid.get_node_ids())
assert not hasattr(Grid, "get_nodes") or [info.node_id for info in grid.get_nodes()] == nodes
assert grid.run.run_id == context.run_id == 1 and context.node_config == {} and len(context.state) == 0
content = RecordDict({"arrays": initial(), "config": ConfigRecord({"lr": 0.5})})
message = grid.create_message(content, "train", nodes[2], "7")
def drawn():
    yield message
    content["config"]["lr"] = 0.25
    yield Message(content, dst_node_id=nodes[0], message_type="train", ttl=100)
    yield Message(content, dst_node_id=nodes[2], message_type="evaluate")
replies = list(grid.send_and_receive(drawn(), timeout=5))
assert [reply.metadata.src_node_id for reply in replies] == [nodes[2], nodes[0], nodes[2]], replies
assert len(message.metadata.message_id) == 64 and replies[0].metadata.reply_to_message_id == message.metadata.message_id
assert replies[0].metadata.group_id == "7" and replies[0].metadata.message_type == "train" and replies[0].metadata.dst_node_id == 1
assert len({reply.metadata.message_id for reply in replies}) == 3
assert replies[0].content["metrics"]["count"] == 1
content["config"]["lr"] = 0.125
assert list(grid.send_and_receive([])) == []
with open("seen.txt", "w") as file:
    file.write(repr([context.run_config, nodes]))
"""
        ended = self.ended(self.main(body), "--arg", "a=1", "--arg", 'b="1"', "--arg", "c=0.5", "--arg", "d=true")
        (asked,) = ended.exchanges
        self.assertEqual([(one["client"], one["kind"], one["group"]) for one in asked.messages], [("east", "train", "7"), ("north", "train", ""), ("east", "evaluate", "")])
        self.assertEqual(asked.timeout, 5)
        # Encoded when they were sent: the generator had then changed the record that all of them share, as under Flower.
        self.assertEqual([records.decode(content)["config"]["lr"] for content in asked.contents], [0.25] * 3)
        self.assertEqual((ended.result["model"], ended.result["metrics"], ended.result["files"]), (None, {}, ["seen.txt"]))
        with open(os.path.join(self.work, "seen.txt"), encoding="utf-8") as file:
            self.assertEqual(file.read(), repr([{"a": 1, "b": "1", "c": 0.5, "d": True}, [node_id(name) for name in NAMES]]))

    def test_carry_contents_exactly(self) -> None:
        text = self.main("""
content = RecordDict({"z": ConfigRecord({"nan": float("nan"), "zero": -0.0, "most": 2**64 - 1, "bytes": b"\\x00", "list": [1.0, 2.0]}), "": ArrayRecord([np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.array(1, "uint16")])})
(reply,) = grid.send_and_receive([Message(content, dst_node_id=next(iter(grid.get_node_ids())), message_type="query")])
again = reply.content
assert list(again) == ["z", ""], again
assert again["z"]["most"] == 2**64 - 1 and str(again["z"]["zero"]) == "-0.0"
assert again[""]["0"].data == content[""]["0"].data
""") + "\n    @client.query()\n    def query(msg, context):\n        return Message(msg.content, reply_to=msg)\n"
        ended = self.ended(text)
        sent = records.decode(ended.exchanges[0].contents[0])
        self.assertEqual(exact(sent)[0][2][2], ("most", ("int", 2**64 - 1)))
        self.assertEqual(ended.exchanges[0].timeout, None)

    def test_give_error_replies_and_drop_late_ones(self) -> None:
        text = self.main("""
nodes = list(grid.get_node_ids())
content = RecordDict({"arrays": initial()})
def sent(ttl=None):
    return [Message(content, dst_node_id=node, message_type="evaluate", ttl=ttl) for node in nodes + [12345]]
def told(replies):
    return [(reply.metadata.src_node_id, reply.error.code if reply.has_error() else 0) for reply in replies]
fails, gone = nodes[1], nodes[3]
all_but_gone = [(node, 2 if node == fails else 5 if node in (gone, 12345) else 0) for node in nodes + [12345]]
found = told(grid.send_and_receive(sent(), timeout=3))
assert found == [one for one in all_but_gone if one[0] != gone], found
found = told(grid.send_and_receive(sent(ttl=2)))
assert found == all_but_gone, found
found = told(grid.send_and_receive(sent()))
assert found == all_but_gone, found
found = told(grid.send_and_receive(sent(ttl=2), timeout=3))
assert found == all_but_gone, found
""")
        clients = self.clients(text)
        answers: Dict[str, Any] = {"south": {"error": {"code": 2, "reason": "no data"}}, "west": None}
        clients.fails = lambda name, kind: answers.get(name, {})
        ended = self.ended(text, clients=clients)
        self.assertEqual([asked.timeout for asked in ended.exchanges], [3, 2, None, 2])
        self.assertEqual({len(asked.messages) for asked in ended.exchanges}, {7})

    def test_name_a_client_that_is_no_clientapp(self) -> None:
        text = self.main('grid.send_and_receive([Message(RecordDict(), dst_node_id=next(iter(grid.get_node_ids())), message_type="train")])')
        with open(self.path("other"), "wb") as file:
            file.write(b"anything")
        clients = self.clients(text)
        clients.fails = lambda name, kind: {"content": self.path("other")}
        self.assertRegex(self.refused(text, clients=clients), "no records in the format fedsam.records/1.*let the clients be ClientApps")

    def test_wait_for_clients_as_flower_does(self) -> None:
        clients = self.clients(APP)
        counts = iter([3, 5])
        whole = clients.list
        clients.list = lambda: whole()[: next(counts, 7)]  # type: ignore[method-assign]
        ended = self.ended(APP, "--arg", "strategy=Krum", "--arg", "rounds=1", clients=clients)
        # The first count, two waits, then one more; and two for the evaluation.
        self.assertEqual([len(asked.messages) for asked in ended.exchanges], [7, 7])
        self.assertGreaterEqual(ended.lists, 3)

    def test_push_and_pull_in_parts(self) -> None:
        ended = self.ended(self.main('''
nodes = list(grid.get_node_ids())
def query(node, number, ttl=None):
    return Message(RecordDict({"arrays": initial(), "config": ConfigRecord({"lr": 0.1, "number": number})}), dst_node_id=node, message_type="train", ttl=ttl)
content = RecordDict({"arrays": initial(), "config": ConfigRecord({"lr": 0.1, "number": 0})})
first = list(grid.push_messages(Message(content, dst_node_id=node, message_type="train") for node in nodes[:2]))
content["config"]["number"] = 7  # the messages are what they were at the push
second = list(grid.push_messages([query(nodes[2], 2), query(99, 3)]))
assert len({*first, *second}) == 4
assert list(grid.pull_messages(["unknown"])) == []
ids, replies = {*second}, []
while ids:  # as Flower's own send_and_receive does it
    found = list(grid.pull_messages(ids))
    ids -= {reply.metadata.reply_to_message_id for reply in found}
    replies += found
assert sorted(reply.has_error() for reply in replies) == [False, True], replies
assert [reply.metadata.src_node_id for reply in grid.pull_messages(first)] == nodes[:2]
assert list(grid.pull_messages(first)) == []
grid.push_messages([query(nodes[3], 4)])
grid.send_and_receive([query(nodes[4], 5)])
grid.push_messages([query(nodes[5], 6)])
'''))
        asked = [[(one["client"], records.decode(content)["config"]["number"]) for one, content in zip(exchange.messages, exchange.contents)] for exchange in ended.exchanges]
        wanted = [[(NAMES[0], 0), (NAMES[1], 0), (NAMES[2], 2)], [(NAMES[3], 4)], [(NAMES[4], 5)], [(NAMES[5], 6)]]
        self.assertEqual(asked, wanted)

    def test_push_and_pull_nothing(self) -> None:
        ended = self.ended(self.main("assert list(grid.push_messages([])) == [] == list(grid.pull_messages([]))"))
        self.assertEqual(ended.exchanges, [])

    def test_refuse_what_is_no_message(self) -> None:
        self.assertRegex(self.refused(self.main("grid.send_and_receive([3])")), "TypeError: a Grid sends Messages, and not a int")


class Results(ServerTest):
    def test_are_those_of_the_last_strategy(self) -> None:
        text = self.main("""
first = kinds.FedAvg(min_available_nodes=7).start(grid, initial(), num_rounds=1, train_config=ConfigRecord({"lr": 0.1}))
class Again(kinds.FedAvg):
    def start(self, grid, initial_arrays, **named):
        found = super().start(grid, initial_arrays, **named)
        return kinds.Result(arrays=ArrayRecord({"only": Array(np.ones(1))}), train_metrics_clientapp={4: MetricRecord({"list": [1.0, 2.0], "odd": float("nan")})})
Again(min_available_nodes=7).start(grid=grid, initial_arrays=first.arrays, num_rounds=2, train_config=ConfigRecord({"lr": 0.1}))
""").replace("kinds.Result", "Result").replace("    import json, os", "    from flwr.serverapp.strategy import Result\n    import json, os", 1)
        ended = self.ended(text)
        self.assertEqual({name: array.tolist() for name, array in self.model().items()}, {"only": [1.0]})
        self.assertEqual(ended.result["metrics"], {"train.list.0": 1.0, "train.list.1": 2.0})
        self.assertIn("the metric train.odd is nan, no finite number: it is dropped", ended.log)
        self.assertEqual(ended.rounds, [(1, 1), (1, 2), (2, 2)])

    def test_have_the_apps_files_by_names_that_an_output_may_have(self) -> None:
        text = self.main("""
for name in ("plain.txt", "Plain.txt", "one/two.txt", "model.safetensors", "app/x", ".hidden", "with space", "..a..b", "a" * 101, "replies-1.json"):
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    open(name, "w").write(name)
os.makedirs("deep/er")
open("deep/er/x.pt", "w").write("deep/er/x.pt")
os.symlink("plain.txt", "link")
os.makedirs("__pycache__")
open("__pycache__/x.pyc", "w").close()
grid.send_and_receive([Message(RecordDict({"arrays": initial()}), dst_node_id=next(iter(grid.get_node_ids())), message_type="evaluate")])
""")
        ended = self.ended(text)
        wanted = {
            "Plain.txt": "Plain.txt", "app/plain.txt": "plain.txt", "one/two.txt": "one/two.txt", "app/model.safetensors": "model.safetensors", "app/app-x": "app/x",
            "app/hidden": ".hidden", "app/with-space": "with space", "app/a.b": "..a..b", "replies-1.json": "replies-1.json", "app/deep-er-x.pt": "deep/er/x.pt",
        }
        found = {}
        for name in ended.result["files"]:
            with open(os.path.join(self.work, name), encoding="utf-8") as file:
                found[name] = file.read()
        self.assertEqual(found, wanted)
        self.assertIn("the output leaves out " + "a" * 101, ended.log)

    def test_that_no_file_can_hold_are_refused_before_the_first_round(self) -> None:
        cases = {
            'ArrayRecord({"u": Array(np.ones(2, "uint32"))})': "array u has elements of type uint32",
            'ArrayRecord({"": Array(np.ones(2))})': "an array with the name ''",
            'ArrayRecord({"x": Array("any", (1,), "own.form", b"")})': "the array x of the model has the form own.form",
        }
        for arrays, says in cases.items():
            with self.subTest(says):
                self.assertRegex(self.refused(self.main(f"kinds.FedAvg().start(grid, {arrays})")), says)


if __name__ == "__main__":
    unittest.main()
