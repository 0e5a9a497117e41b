"""A class with 16-bit floats: it gets the types that round 0 had, and what it learns is kept in float32."""

import contextlib
import io
import unittest
from unittest import mock

import numpy as np
from support import SeamTest

from fedsam_client import tensors
from fedsam_client.client import SeamClient
from fedsam_client.errors import ClientError

CONFIG = {"server_round": "2"}
#: Below half a unit in the last place of a float16 at 1.
STEP = np.float32(2**-14)


class Narrow(SeamTest):
    def setUp(self) -> None:
        super().setUp()
        #: As the run keeps them: the first and the last came as float16, and have values that float16 does not have.
        self.arrays = [np.array([1 + STEP, -2], "float32"), np.array(5, "int64"), np.array(1 / 3, "float32"), np.zeros((0, 3), "float32")]
        self.dtypes = ["F16", "I64", "F32", "F16"]

    def fit(self, returned, names=None):
        """What the class saw, and the written arrays in its order."""
        seen = []

        class Client:
            def fit(self, parameters, config):
                seen.extend(parameters)
                return returned(parameters), 1, {}

        if names is not None:
            Client.parameter_names = lambda self: names
        with contextlib.redirect_stderr(io.StringIO()) as log:
            SeamClient(Client()).fit(self.source(names), self.path("update"), CONFIG, self.dtypes)
        self.log = log.getvalue()
        written = {spec.name: array for spec, array in tensors.read(self.path("update"))}
        return seen, [written[name] for name in names or sorted(written)]

    def source(self, names=None) -> str:
        if names is None:
            return self.tensors("base", self.arrays)
        tensors.write(self.path("base"), list(zip(names, self.arrays)))
        return self.path("base")

    def test_fit_and_evaluate_get_the_types_of_round_0(self) -> None:
        class Client:
            def fit(self, parameters, config):
                self.fitted = parameters
                return parameters, 1, {}

            def evaluate(self, parameters, config):
                self.evaluated = parameters
                return 0.5, 1, {}

        client = Client()
        served = SeamClient(client)
        served.fit(self.source(), self.path("update"), CONFIG, self.dtypes)
        served.evaluate(self.source(), CONFIG, self.dtypes)
        for seen in (client.fitted, client.evaluated):
            self.assertEqual([array.dtype.str for array in seen], ["<f2", "<i8", "<f4", "<f2"])
            self.assertEqual([array.shape for array in seen], [array.shape for array in self.arrays])
            np.testing.assert_array_equal(seen[0], np.array([1, -2], "float16"))

    def test_without_dtypes_the_types_are_those_of_the_file(self) -> None:
        self.dtypes = None
        seen, _ = self.fit(lambda parameters: parameters)
        self.assertEqual([array.dtype.str for array in seen], ["<f4", "<i8", "<f4", "<f4"])

    def test_dtypes_are_in_the_order_of_names_not_of_arrays(self) -> None:
        self.dtypes = ["F16", "F32", "I64", "F16"]
        seen, written = self.fit(lambda parameters: parameters, names=["z", "m", "b", "a"])
        self.assertEqual([array.dtype.str for array in seen], ["<f2", "<i8", "<f4", "<f2"])
        for array, kept in zip(written, self.arrays):
            np.testing.assert_array_equal(array, kept)

    def test_what_fit_leaves_as_it_was_keeps_its_float32_value(self) -> None:
        _, written = self.fit(lambda parameters: parameters)
        for array, kept in zip(written, self.arrays):
            self.assertEqual(array.dtype, kept.dtype)
            np.testing.assert_array_equal(array, kept)
        self.assertEqual(self.log, "")

    def test_steps_that_float16_cannot_hold_add_up(self) -> None:
        for _ in range(4):
            _, written = self.fit(lambda parameters: [parameters[0].astype("float32") + STEP, *parameters[1:]])
            self.arrays = written
        self.assertEqual(written[0].tolist(), [1 + 5 * STEP, -2 + 4 * STEP])
        self.assertEqual(self.log, "")

    def test_no_value_changes_its_sign(self) -> None:
        # float16 rounds the first down and the second up; fit returns zeros and the smallest float16.
        for value in (1 + STEP, 1 - 2**-13):
            self.arrays[0] = np.array([value, value], "float32")
            _, written = self.fit(lambda parameters: [np.array([0, 2**-24], "float16"), *parameters[1:]])
            self.assertEqual(written[0][0], 0)
            self.assertGreater(written[0][1], 0)

    def test_arrays_that_fit_returned_are_not_written_to(self) -> None:
        own = np.array([3, 4], "float32")
        _, written = self.fit(lambda parameters: [own, *parameters[1:]])
        self.assertEqual(own.tolist(), [3, 4])
        self.assertEqual(written[0].tolist(), [3 + STEP, 4])

    def test_a_value_that_float16_cannot_hold_is_named(self) -> None:
        self.arrays[0] = np.array([1, -70000], "float32")
        with self.assertRaisesRegex(ClientError, "array 0000 has grown to -70000, which float16 cannot hold"):
            self.fit(lambda parameters: parameters)

    def test_another_type_is_refused_with_the_type_that_fit_was_given(self) -> None:
        with self.assertRaisesRegex(ClientError, "as int64 where it was given float16"):
            self.fit(lambda parameters: [np.array([1, 2]), *parameters[1:]])

    def test_float64_travels_as_the_run_keeps_it_with_a_note(self) -> None:
        self.fit(lambda parameters: [parameters[0].astype("float64"), *parameters[1:]])
        self.assertIn("array 0 (0000) as float64; it is sent as float32, the run's type", self.log)

    def test_bfloat16_stays_float32_where_numpy_has_none(self) -> None:
        self.dtypes = ["BF16", "I64", "F32", "F32"]
        with mock.patch.dict("sys.modules", {"ml_dtypes": None}):
            seen, _ = self.fit(lambda parameters: parameters)
        self.assertEqual(seen[0].dtype.str, "<f4")
        self.assertEqual(self.log.count("Install ml_dtypes"), 1)

    def test_another_number_of_dtypes_is_refused(self) -> None:
        self.dtypes = ["F16"]
        with self.assertRaisesRegex(ClientError, "1 dtypes for 4 tensors"):
            self.fit(lambda parameters: parameters)


if __name__ == "__main__":
    unittest.main()
