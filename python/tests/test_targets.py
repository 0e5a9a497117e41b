"""Targets that are no NumPyClient: each is named for what it is, with what to name in its place. No process, no framework."""

import sys
import types
import unittest
from typing import Any

from fedsam_client.arguments import read_given
from fedsam_client.errors import ClientError
from fedsam_client.loading import load_target, make_client
from fedsam_client.targets import refuse_other_server


def framework(module: str, name: str, **methods: Any) -> type:
    """A class as a framework has it, by module and name."""
    return type(name, (), {"__module__": module, **methods})


def fit(self, *_: Any) -> None:
    pass


ClientApp = framework("flwr.client.client_app", "ClientApp", __call__=fit)
NumPyClient = framework("flwr.client.numpy_client", "NumPyClient", fit=fit)
TorchModule = framework("torch.nn.modules.module", "Module", __call__=fit)
KerasModel = framework("keras.src.models.model", "Model", fit=fit)
Estimator = framework("sklearn.base", "BaseEstimator")


class Targets(unittest.TestCase):
    def setUp(self) -> None:
        module = types.ModuleType("named")
        self.module = module
        sys.modules["named"] = module
        self.addCleanup(sys.modules.pop, "named")

        class Good(NumPyClient):
            def __init__(self, cid="c"):
                self.cid = cid

        self.Good = Good
        self.put("Good", Good)

    def put(self, name: str, value: Any) -> None:
        try:
            value.__module__ = "named"
        except (AttributeError, TypeError):
            pass
        setattr(self.module, name, value)

    def made(self, name: str) -> Any:
        target = f"named:{name}"
        return make_client(load_target(target), target, read_given({}, {"FEDSAM_CLIENT": "north"}))

    def refused(self, value: Any, says: str) -> None:
        setattr(self.module, "it", value)
        with self.assertRaises(ClientError) as raised:
            self.made("it")
        error = raised.exception
        self.assertRegex(f"{error.message}: {error.remedy}", says)
        self.assertEqual(error.code, "InvalidJob")

    def test_of_a_server_are_its_app(self) -> None:
        server = framework("flwr.serverapp.server_app", "ServerApp")
        refuse_other_server(server(), "named:it", self.module)
        self.module.server = server()
        cases = {
            "is a ClientApp, which runs at the clients: python -m fedsam_client: name a Flower ServerApp; here that is named:server": ClientApp(),
            "is a Flower AgentApp: FedSAM runs no agents": framework("flwr.agentapp.agent_app", "AgentApp")(),
            "is a set of Flower's connectors for agents": framework("flwr.agentapp.base", "AgentConnectors")(),
            "is a FedAvg, and no ServerApp": type("FedAvg", (framework("flwr.serverapp.strategy.strategy", "Strategy"),), {})(),
            "is a class, and no ServerApp": server,
        }
        for says, value in cases.items():
            with self.subTest(says), self.assertRaises(ClientError) as raised:
                refuse_other_server(value, "named:it", self.module)
            self.assertRegex(f"{raised.exception.message}: {raised.exception.remedy}", says)

    def test_of_other_kinds_are_named(self) -> None:
        self.refused(framework("flwr.agentapp.agent_app", "AgentApp")(), "is a Flower AgentApp: FedSAM runs no agents.* here that is named:Good$")
        self.refused(framework("flwr.agentapp.base", "AgentConnectors")(), "is a set of Flower's connectors for agents")
        self.refused(framework("flwr.serverapp.grid", "Grid")(), "is a Flower grid, which belongs to a ServerApp")
        self.refused(framework("flwr.server.server_app", "ServerApp")(), "is a Flower ServerApp.*spec|is a Flower ServerApp.*set strategy")
        strategy = framework("flwr.server.strategy.strategy", "Strategy")
        self.refused(strategy, "a Flower strategy.*spec.strategy")
        self.refused(type("FedAvg", (strategy,), {})(), "a Flower strategy.*spec.strategy")
        self.refused(framework("flwr.client.client", "Client", fit=fit), "a flwr Client with protocol messages.*NumPyClient")
        self.refused(type("Net", (TorchModule,), {}), "is a PyTorch model: write a NumPyClient that holds it")
        self.refused(type("Net", (TorchModule,), {})(), "is a PyTorch model")
        self.refused(KerasModel(), "is a Keras model")
        self.refused(type("Net", (KerasModel,), {}), "is a Keras model")
        self.refused(type("Forest", (Estimator,), {"fit": fit})(), "is a scikit-learn estimator")
        self.refused(types, "named:it is a module")
        for value, says in ((3, "an int, which"), ("x", "a str, which"), (None, "a NoneType, which"), ({}, "a dict, which"), (Exception, "a class that has no method fit")):
            self.refused(value, f"named:it is {says}.*here that is named:Good")

    def test_that_make_something_else_are_named(self) -> None:
        async def late(context):
            return self.Good()

        self.refused(late, "is an async function")
        self.refused(lambda context: None, "named:it returned None")
        self.refused(lambda context: 3, "named:it returned an int, which has no method fit")
        self.refused(lambda context: ClientApp(), "named:it returned a Flower ClientApp: name the ClientApp itself")
        self.refused(lambda context: KerasModel(), "named:it returned a Keras model")

    def test_of_a_package_offer_the_classes_of_the_module(self) -> None:
        inner = types.ModuleType("named.inner")
        inner.app = ClientApp()
        inner.Client = type("Client", (), {"fit": fit, "__module__": "named.inner"})
        self.refused(inner, "is a module: name a class in it: named.it:app, named.it:Client")

    def test_that_are_clients_are_taken(self) -> None:
        class Callable(NumPyClient):
            def __call__(self):
                raise AssertionError("an existing client is not called")

        self.put("ready", Callable())
        self.assertIs(self.made("ready"), self.module.ready)
        self.put("wrapped", types.SimpleNamespace(numpy_client=self.module.ready))
        self.assertIs(self.made("wrapped"), self.module.ready)
        self.assertEqual(self.made("Good").cid, "north")

    def test_of_client_fn_in_every_form(self) -> None:
        class Context:
            pass

        def by_name(cid):
            return self.Good(cid)

        def by_type(client_id: str):
            return self.Good(client_id)

        def of_today(context):
            return self.Good(context.node_config["client"])

        def renamed(ctx):
            return self.Good(ctx.node_config["client"])

        def annotated(ctx: Context, rate=0.5):
            return self.Good(ctx.node_config["client"])

        def quoted(ctx: "flwr.common.Context", rate=0.5):  # noqa: F821
            return self.Good(ctx.node_config["client"])

        for function in (by_name, by_type, of_today, renamed, annotated, quoted):
            with self.subTest(function.__name__):
                self.put("function", function)
                self.assertEqual(self.made("function").cid, "north")


if __name__ == "__main__":
    unittest.main()
