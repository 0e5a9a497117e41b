"""Arrays to files and back, held against the safetensors package."""

import os
import unittest

import numpy as np
from safetensors.numpy import load_file, save_file
from support import SeamTest

from fedsam_client import tensors
from fedsam_client.errors import ClientError

ARRAYS = {
    "float64": np.linspace(-1, 1, 7),
    "float32": np.arange(6, dtype="float32").reshape(2, 3),
    "float16": np.arange(3, dtype="float16"),
    "int64": np.array([2**62, -1]),
    "int32": np.array([[1], [2]], "int32"),
    "int16": np.array([1, -2], "int16"),
    "int8": np.array([-128, 127], "int8"),
    "uint8": np.array([0, 255], "uint8"),
    "bool": np.array([True, False, True]),
    "scalar": np.array(3.5, "float32"),
    "empty": np.zeros((0, 4), "float32"),
}


class Files(SeamTest):
    def test_are_those_of_the_safetensors_package(self) -> None:
        tensors.write(self.path("ours"), ARRAYS.items())
        found = load_file(self.path("ours"))
        self.assertEqual(set(found), set(ARRAYS))
        for name, array in ARRAYS.items():
            self.assertEqual((found[name].dtype, found[name].shape), (array.dtype, array.shape), name)
            np.testing.assert_array_equal(found[name], array)

    def test_of_the_safetensors_package_are_read(self) -> None:
        save_file(ARRAYS, self.path("theirs"), metadata={"format": "np"})
        found = {spec.name: array for spec, array in tensors.read(self.path("theirs"))}
        self.assertEqual(list(found), sorted(ARRAYS))
        for name, array in ARRAYS.items():
            self.assertEqual((found[name].dtype, found[name].shape), (array.dtype, array.shape), name)
            np.testing.assert_array_equal(found[name], array)
            found[name].fill(0)  # may be written to

    def test_hold_the_values_of_views_and_of_the_other_byte_order(self) -> None:
        matrix = np.arange(12, dtype=">f4").reshape(3, 4)
        tensors.write(self.path("views"), [("columns", matrix[:, ::2]), ("turned", matrix.T)])
        found = dict((spec.name, array) for spec, array in tensors.read(self.path("views")))
        np.testing.assert_array_equal(found["columns"], matrix[:, ::2])
        np.testing.assert_array_equal(found["turned"], matrix.T)

    def test_are_sorted_and_aligned(self) -> None:
        tensors.write(self.path("sorted"), [("b", np.zeros(1)), ("a", np.ones(1))])
        with open(self.path("sorted"), "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = file.read(length).decode()
        self.assertEqual(length % 8, 0)
        self.assertTrue(header.startswith('{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"b":'), header)

    def test_end_too_early(self) -> None:
        tensors.write(self.path("short"), [("a", np.zeros(4))])
        os.truncate(self.path("short"), os.path.getsize(self.path("short")) - 3)
        with self.assertRaisesRegex(ClientError, "ends too early"):
            tensors.read(self.path("short"))


class ElementTypes(SeamTest):
    def test_that_do_not_travel_are_named_with_what_to_do(self) -> None:
        cases = {
            "object": (np.array([[1], [1, 2]], dtype=object), "object.*one array for each tensor"),
            "text": (np.array(["a"]), "str.*remove it from the parameters"),
            "uint32": (np.zeros(1, "uint32"), "uint32.*int64"),
            "complex": (np.zeros(1, "complex64"), "complex64.*two arrays"),
        }
        for name, (array, says) in cases.items():
            with self.subTest(name):
                with self.assertRaises(ClientError) as raised:
                    tensors.write(self.path("x"), [("0000", array)])
                self.assertRegex(f"{raised.exception.message} {raised.exception.remedy}", says)

    def test_bfloat16_is_named_where_numpy_has_none(self) -> None:
        with open(self.path("bf16"), "wb") as file:
            header = b'{"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
            header += b" " * (-len(header) % 8)
            file.write(len(header).to_bytes(8, "little") + header + b"\x80\x3f")
        try:
            import ml_dtypes  # noqa: F401
        except ImportError:
            with self.assertRaises(ClientError) as raised:
                tensors.read(self.path("bf16"))
            self.assertIn("ml_dtypes", raised.exception.remedy)
        else:
            self.assertEqual(float(tensors.read(self.path("bf16"))[0][1][0]), 1.0)


if __name__ == "__main__":
    unittest.main()
