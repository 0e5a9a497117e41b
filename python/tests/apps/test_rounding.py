"""What is rounding between two lives of a program, and what is not."""

import unittest
from typing import Any, Optional

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from fedsam_client.rounding import difference


def holding(value: Any, name: str = "r", key: str = "k") -> RecordDict:
    if isinstance(value, Array):
        return RecordDict({name: ArrayRecord({key: value})})
    if isinstance(value, (str, bytes, bool)):
        return RecordDict({name: ConfigRecord({key: value})})
    return RecordDict({name: MetricRecord({key: value})})


def between(one: Any, other: Any) -> Optional[str]:
    return difference(holding(one), holding(other))


def array(values: Any, dtype: str = "float64", order: str = "C") -> Array:
    return Array(np.asarray(values, dtype, order=order))


class Rounding(unittest.TestCase):
    def test_of_arrays_is_a_part_of_their_largest_value(self) -> None:
        for dtype, allowed in (("float64", 1e-9), ("float32", 1e-5)):
            base = np.array([[3.0, -1000.0], [0.0, 1e-3]])
            within, beyond = base.copy(), base.copy()
            within[1, 0] = 1000 * allowed * 0.9
            beyond[1, 0] = 1000 * allowed * 1.1
            self.assertIsNone(between(array(base, dtype), array(within, dtype)))
            self.assertRegex(between(array(base, dtype), array(beyond, dtype)) or "", r"^its value r/k differs by .* of its largest value; rounding may be 1e-0\d of it$")

    def test_keeps_what_is_no_number_in_its_place(self) -> None:
        odd = [np.nan, np.inf, -np.inf, 1.0]
        self.assertIsNone(between(array(odd), array([*odd[:3], 1 + 1e-10])))
        for other in ([np.inf, np.nan, -np.inf, 1.0], [np.nan, np.inf, np.inf, 1.0], [np.nan, np.inf, 1e300, 1.0]):
            self.assertRegex(between(array(odd), array(other)) or "", "at other places")

    def test_is_none_where_all_was_zero(self) -> None:
        self.assertIsNone(between(array([0.0, -0.0]), array([-0.0, 0.0])))
        self.assertRegex(between(array([0.0]), array([1e-300])) or "", "differs by 1e-300, where it was 0")
        self.assertIsNone(between(array(np.zeros((0, 3))), array(np.zeros((0, 3)))))

    def test_is_not_in_other_types_and_forms(self) -> None:
        cases = [
            (array([1], "int64"), array([2], "int64"), "other bytes of int64"),
            (array([1], "float16"), array([1.001], "float16"), "other bytes of float16"),
            (array([1.0]), array([1.0], "float32"), "had the dtype 'float64' and has 'float32'"),
            (array([[1.0]]), array([1.0]), "had the shape"),
            (array([1.0]), Array("float64", (1,), "torch", b"x"), "had the stype"),
            (Array("float64", (1,), "torch", b"x"), Array("float64", (1,), "torch", b"y"), "other bytes of float64"),
        ]
        for one, other, says in cases:
            with self.subTest(says):
                self.assertRegex(between(one, other) or "", says)
        self.assertIsNone(between(array([[1.0, 2.0]], order="F"), array([[1.0, 2.0 + 1e-12]], order="F")))

    def test_of_scalars_is_a_part_of_the_larger(self) -> None:
        for one, other in ((1e6, 1e6 * (1 + 5e-13)), (0.0, -0.0), (float("nan"), float("nan")), (float("inf"), float("inf")), (-5.0, -5.0)):
            self.assertIsNone(between(one, other), (one, other))
        for one, other in ((1.0, 1 + 1e-11), (0.0, 1e-300), (float("inf"), 1e308), (float("nan"), 0.0), (1.0, -1.0)):
            self.assertRegex(between(one, other) or "", "its value r/k was .* and is ")

    def test_of_lists_is_that_of_their_items(self) -> None:
        self.assertIsNone(between([1.0, 2.0], [1.0, 2.0 + 1e-13]))
        self.assertRegex(between([1.0, 2.0], [1.0, 2.1]) or "", "was 2.0 and is 2.1")
        self.assertRegex(between([1.0], [1.0, 2.0]) or "", "had 1 items and has 2")

    def test_is_not_in_words_and_whole_numbers(self) -> None:
        for one, other in ((1, 2), ("a", "b"), (b"a", b"b"), (True, False)):
            self.assertRegex(between(one, other) or "", "was .* and is ")
        self.assertRegex(between(1, 1.0) or "", "was a int and is a float")

    def test_is_not_in_names_and_their_order(self) -> None:
        one, other = RecordDict({"a": MetricRecord(), "b": MetricRecord()}), RecordDict({"b": MetricRecord(), "a": MetricRecord()})
        self.assertRegex(difference(one, other) or "", "its records were .* and are")
        self.assertRegex(difference(holding(1.0), holding(1.0, key="l")) or "", "the keys of its record r were")
        self.assertRegex(difference(RecordDict({"r": MetricRecord()}), RecordDict({"r": ConfigRecord()})) or "", "was a MetricRecord and is a ConfigRecord")
        self.assertIsNone(difference(RecordDict(), RecordDict()))


if __name__ == "__main__":
    unittest.main()
