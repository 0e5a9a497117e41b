"""Models as weights.py sees them: names without values, arrays that nobody shares, and names that are two."""

import unittest

import numpy as np

from fedsam_client.errors import ClientError
from fedsam_client.weights import arrays_of, load_into, names_of


class OnADevice:
    """A tensor that must not be copied."""

    shape = (2,)

    def detach(self) -> None:
        raise AssertionError("copied")


class Torch:
    """A model as torch has them."""

    def state_dict(self) -> dict:
        return {"b": OnADevice(), "a": OnADevice()}

    def load_state_dict(self, values: dict) -> None:
        raise AssertionError


class Names(unittest.TestCase):
    def test_names_need_no_values(self) -> None:
        self.assertEqual(names_of(Torch()), ["b", "a"])

    def test_names_are_those_of_the_arrays(self) -> None:
        for model in ({"b": 1, 2: 2}, [1.0, np.ones(2)], ()):
            self.assertEqual(names_of(model), list(arrays_of(model)))

    def test_two_keys_with_one_text(self) -> None:
        with self.assertRaisesRegex(ClientError, "two arrays have the name 1"):
            arrays_of({1: 0.5, "1": 0.5})


class Loading(unittest.TestCase):
    def test_a_model_shares_no_memory_with_the_arrays(self) -> None:
        models = {
            "the same type": [np.zeros(2)],
            "another type": [np.zeros(2, "float32")],
            "a list": [[0.0, 0.0]],
            "a dict": {"0000": (0.0, 0.0)},
        }
        for name, model in models.items():
            with self.subTest(name):
                given = {"0000": np.array([1.0, 2.0])}
                load_into(model, given)
                loaded = model["0000"] if isinstance(model, dict) else model[0]
                self.assertEqual(loaded.tolist(), [1.0, 2.0])
                loaded *= 3
                self.assertEqual(given["0000"].tolist(), [1.0, 2.0])


if __name__ == "__main__":
    unittest.main()
