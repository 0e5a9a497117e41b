"""The calls on clients of every signature, and what is said of results that are none. No process, no seam."""

import contextlib
import io
import unittest

import numpy as np
from support import SeamTest

from fedsam_client import tensors
from fedsam_client.client import SeamClient
from fedsam_client.errors import ClientError

CONFIG = {"server_round": "3", "local_epochs": "2", "rate": "0.5", "name": "x", "seed": "1" * 64}


class Good:
    """Of today's signature. Remembers what it was given."""

    def get_parameters(self, config):
        return [np.zeros((2, 3), "float32"), np.array(1, "int64")]

    def fit(self, parameters, config):
        self.seen = parameters, config
        return [array + 1 for array in parameters], 7, {"loss": np.float32(0.5)}

    def evaluate(self, parameters, config):
        return np.float64(0.25), np.int64(4), {"dice": 1}


class Calls(SeamTest):
    def given(self):
        return self.tensors("base", [np.zeros((2, 3), "float32"), np.array(1, "int64")])

    def fit(self, client, config=CONFIG):
        return SeamClient(client).fit(self.given(), self.path("update"), config)

    def refused(self, client, says: str) -> None:
        with self.assertRaises(ClientError) as raised:
            self.fit(client)
        self.assertRegex(f"{raised.exception.message}: {raised.exception.remedy}", says)

    def returning(self, value):
        class Client(Good):
            def fit(self, parameters, config):
                return value(parameters) if callable(value) else value

        return Client()

    def test_of_a_good_client(self) -> None:
        client = Good()
        self.assertEqual(self.fit(client), {"num_examples": 7, "metrics": {"loss": 0.5}})
        parameters, config = client.seen
        self.assertEqual(config, {"server_round": 3, "local_epochs": 2, "rate": 0.5, "name": "x", "seed": "1" * 64})
        self.assertEqual([array.dtype.name for array in parameters], ["float32", "int64"])
        written = tensors.read(self.path("update"))
        self.assertEqual([str(spec) for spec, _ in written], ["0000 F32[2, 3]", "0001 I64[]"])
        self.assertEqual(written[1][1].item(), 2)
        self.assertEqual(
            SeamClient(client).evaluate(self.given(), CONFIG), {"loss": 0.25, "num_examples": 4, "metrics": {"dice": 1.0}}
        )

    def test_signatures_old_and_new(self) -> None:
        array = np.zeros(2)

        class Bare:
            def get_parameters(self):
                return [array]

            def fit(self, parameters):
                return parameters, 1, {}

        class Named(Bare):
            def get_parameters(self, **kwargs):
                assert kwargs == {"config": {}}, kwargs
                return [array]

            def fit(self, parameters, *, config):
                assert config["server_round"] == 3
                return parameters, 1, {}

        class Positional(Bare):
            def get_parameters(self, cfg):
                assert cfg == {}
                return [array]

            def fit(self, *args):
                assert args[1]["server_round"] == 3
                return args[0], 1, {}

        for kind in (Bare, Named, Positional):
            with self.subTest(kind.__name__):
                client = SeamClient(kind())
                client.get_parameters(self.path("base"))
                self.assertEqual(client.fit(self.path("base"), self.path("update"), CONFIG)["num_examples"], 1)

    def test_without_evaluate_there_is_nothing_to_say(self) -> None:
        class Client:
            def fit(self, parameters, config):
                return parameters, 1, {}

        self.assertEqual(SeamClient(Client()).evaluate("/nowhere", CONFIG)["num_examples"], 0)

    def test_names_of_its_own(self) -> None:
        class Client(Good):
            def parameter_names(self):
                return ["w", "b"]

        client = Client()
        served = SeamClient(client)
        served.get_parameters(self.path("base"))
        self.assertEqual([spec.name for spec, _ in tensors.read(self.path("base"))], ["b", "w"])
        served.fit(self.path("base"), self.path("update"), CONFIG)
        self.assertEqual([array.shape for array in client.seen[0]], [(2, 3), ()])
        with self.assertRaisesRegex(ClientError, "names of their own, such as b"):
            SeamClient(Good()).fit(self.path("base"), self.path("update"), CONFIG)

    def test_names_that_cannot_be_used(self) -> None:
        for returned in (["a", "a"], ["a", ""], ["__metadata__"], "ab", None, 3):

            class Client(Good):
                def parameter_names(self):
                    return returned

            with self.subTest(returned=returned), self.assertRaisesRegex(ClientError, "parameter_names returned"):
                SeamClient(Client())
        self.assertEqual(SeamClient(type("K", (Good,), {"parameter_names": lambda self: {"w": 1, "b": 2}.keys()})())._names, ["w", "b"])

    def test_results_that_are_none(self) -> None:
        good = lambda p: p  # noqa: E731
        cases = {
            "nothing": (None, "fit returned None.*three values"),
            "no number of examples": (lambda p: (p, {}), "fit returned a tuple of 2.*three values"),
            "a float": (lambda p: (p, 3.5, {}), r"3.5 \(float\) for num_examples.*whole number"),
            "a negative one": (lambda p: (p, -1, {}), r"-1 \(int\) for num_examples"),
            "none": (lambda p: (p, 0, {}), "num_examples"),
            "a flag": (lambda p: (p, True, {}), "num_examples"),
            "too many": (lambda p: (p, 2**40, {}), "num_examples"),
            "another number of arrays": (lambda p: (p[:1], 1, {}), "returned 1 arrays where it was given 2"),
            "another shape": (lambda p: ([p[0][0], p[1]], 1, {}), r"array 0 \(0000\) with shape \(3,\).*\(2, 3\)"),
            "objects": (lambda p: ([p[0], np.array([object()])], 1, {}), "elements of type object"),
            "strings": (lambda p: (["weights", p[1]], 1, {}), "elements of type str"),
            "ragged": (lambda p: ([[[1], [1, 2]], p[1]], 1, {}), "as array 0|type object"),
            "no list": (lambda p: (p[0], 1, {}), "a ndarray for the parameters.*list of numpy arrays"),
            "integers become floats": (lambda p: ([p[0], np.array(1.5)], 1, {}), r"array 1 \(0001\) as float64.*astype"),
            "metrics that are none": (lambda p: (p, 1, 0.5), "for its metrics"),
        }
        for name, (value, says) in cases.items():
            with self.subTest(name):
                self.refused(self.returning(value), says)
        self.assertEqual(self.fit(self.returning(lambda p: (good(p), 1, None)))["metrics"], {})

    def test_floats_of_another_width_travel_as_they_came(self) -> None:
        self.fit(self.returning(lambda p: ([p[0].astype("float64") + 0.5, np.array(9.0)], 1, {})))
        found = tensors.read(self.path("update"))
        self.assertEqual([spec.dtype for spec, _ in found], ["F32", "I64"])
        self.assertEqual(found[1][1].item(), 9)

    def test_metrics_that_are_no_numbers_are_dropped(self) -> None:
        metrics = {"a": np.array([0.5]), "b": "text", "c": float("nan"), "d": True, "e": [1, 2], 3: 1}
        self.assertEqual(self.fit(self.returning(lambda p: (p, 1, metrics)))["metrics"], {"a": 0.5, "d": 1.0, "3": 1.0})

    def test_a_variance_that_comes_back_negative_is_noted_once(self) -> None:
        class Client:
            def fit(self, parameters, config):
                return [np.array([1.0, -1.0]), np.array([0.5, 0.0])], 1, {}

        class Named(Client):
            def parameter_names(self):
                return ["0000", "0001"]

        for kind, count in ((Client, 1), (Named, 0)):
            with self.subTest(kind.__name__), contextlib.redirect_stderr(io.StringIO()) as log:
                served = SeamClient(kind())
                base = self.tensors("signs", [np.array([-1.0, 1.0]), np.array([-0.5, 1.0])])
                for _ in range(3):
                    served.fit(base, self.path("update"), CONFIG)
                self.assertEqual(log.getvalue().count("array 1 (0001) came with negative values"), count)
                self.assertNotIn("array 0", log.getvalue())

    def test_exceptions_show_where_they_come_from(self) -> None:
        class Client(Good):
            def fit(self, parameters, config):
                return self.train()

            def train(self):
                raise ValueError("no pictures\nin the folder")

        self.refused(Client(), r"fit raised ValueError: no pictures in the folder \(.*test_client.py:\d+ in train: raise")

    def test_leaving_is_an_error_of_the_call(self) -> None:
        class Client(Good):
            def fit(self, parameters, config):
                raise SystemExit(3)

        self.refused(Client(), r"fit left the program: sys.exit\(3\)")

    def evaluating(self, *returned):
        class Client(Good):
            def evaluate(self, parameters, config):
                return returned

        return SeamClient(Client()).evaluate(self.given(), CONFIG)

    def test_losses_that_are_not_finite(self) -> None:
        for loss in (float("nan"), float("inf"), np.float32("nan"), None, "low", [1.0, 2.0]):
            with self.subTest(loss=loss), self.assertRaisesRegex(ClientError, "evaluate returned the loss"):
                self.evaluating(loss, 3, {})

    def test_losses_of_numpy(self) -> None:
        for loss in (np.float32(0.5), np.array(0.5), np.array([0.5])):
            self.assertEqual(self.evaluating(loss, 3, {})["loss"], 0.5)

    def test_nothing_held_out_whatever_the_loss_is(self) -> None:
        for loss in (float("nan"), None, 0.0, np.float64("inf")):
            with self.subTest(loss=loss):
                self.assertEqual(self.evaluating(loss, 0, {"dice": float("nan")})["num_examples"], 0)
        with self.assertRaisesRegex(ClientError, "num_examples"):
            self.evaluating(0.5, -1, {})


if __name__ == "__main__":
    unittest.main()
