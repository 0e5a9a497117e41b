"""RecordDicts travel as bytes and come back equal: a thousand random ones, and those at the edges of the format. Needs flwr."""

import json
import random
import struct
import unittest
from typing import Any, Callable, List

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from safetensors.numpy import load

from fedsam_client import records
from fedsam_client.errors import ClientError

COUNT = 1000
NAMES = ("", "a/b", "__metadata__", "constructor", "w", "0", "10", "2", "é", "a\u0000b", "with space", "\U0001f33b", "long" * 40)
DTYPES = ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "u2", "u4", "u8", "?", "c8", "c16", ">f4", ">i8", "<U3", "S2", "M8[s]", "g")
FLOATS = (0.0, -0.0, 1.0, float("nan"), -float("nan"), float("inf"), float("-inf"), 5e-324, 1.7976931348623157e308, 0.1)
INTEGERS = (0, 1, -1, 2**53 + 1, -(2**63), 2**63 - 1, 2**63, 2**64 - 1)


def exact(value: RecordDict) -> Any:
    """All that a RecordDict holds, in order, with types and bits: what == does not compare."""
    return [(name, type(record).__name__, [(key, _exact(record[key])) for key in record]) for name, record in value.items()]


def _exact(value: Any) -> Any:
    if isinstance(value, list):
        return [_exact(one) for one in value]
    if isinstance(value, float):
        return "float", struct.pack(">d", value)
    if isinstance(value, Array):
        return value.dtype, value.shape, value.stype, value.data
    return type(value).__name__, value


class Maker:
    """Random RecordDicts of one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.numbers = np.random.default_rng(seed)

    def records(self) -> RecordDict:
        made = RecordDict()
        for name in self.names(4):
            made[name] = self.random.choice((self.arrays, self.metrics, self.config))()
        return made

    def names(self, most: int) -> List[str]:
        return self.random.sample(NAMES, self.random.randint(0, most))

    def arrays(self) -> ArrayRecord:
        return ArrayRecord({name: self.array() for name in self.names(4)})

    def metrics(self) -> MetricRecord:
        return MetricRecord({name: self.scalar_or_list((self.float, self.integer)) for name in self.names(5)})

    def config(self) -> ConfigRecord:
        kinds = (self.float, self.integer, self.flag, self.text, self.bytes)
        return ConfigRecord({name: self.scalar_or_list(kinds) for name in self.names(6)})

    def scalar_or_list(self, kinds: Any) -> Any:
        make: Callable[[], Any] = self.random.choice(kinds)
        return make() if self.random.random() < 0.6 else [make() for _ in range(self.random.randint(0, 4))]

    def float(self) -> float:
        return self.random.choice((*FLOATS, self.random.gauss(0, 1e10)))

    def integer(self) -> int:
        return self.random.choice((*INTEGERS, self.random.randint(-(2**63), 2**64 - 1)))

    def flag(self) -> bool:
        return self.random.random() < 0.5

    def text(self) -> str:
        return self.random.choice((*NAMES, "1", "true", "null", '"'))

    def bytes(self) -> bytes:
        return self.random.randbytes(self.random.randint(0, 20))

    def array(self) -> Array:
        if self.random.random() < 0.15:
            return Array(dtype="a type", shape=(2, 3), stype="of.our/own", data=self.bytes())
        shape = tuple(self.random.randint(0, 4) for _ in range(self.random.randint(0, 3)))
        dtype = np.dtype(self.random.choice(DTYPES))
        count = int(np.prod(shape))
        made = np.frombuffer(self.numbers.bytes(count), np.uint8).astype(dtype).reshape(shape)
        return Array(np.asarray(made, order=self.random.choice("CF")))


class Records(unittest.TestCase):
    def test_come_back_equal_a_thousand_times(self) -> None:
        kinds = set()
        for seed in range(COUNT):
            with self.subTest(seed=seed):
                given = Maker(seed).records()
                data = records.encode(given)
                found = records.decode(data)
                self.assertEqual(exact(found), exact(given))
                self.assertEqual(records.encode(found), data)
                self.assertEqual(sorted(load(data)), [f"{index:04}" for index in range(count_arrays(given))])
                kinds |= {type(value).__name__ for record in given.values() for value in record.values()}
        self.assertEqual(kinds, {"Array", "list", "float", "int", "bool", "str", "bytes"})

    def test_of_one_order_are_others_in_another(self) -> None:
        one = RecordDict({"m": MetricRecord({"a": 1, "b": 2})})
        other = RecordDict({"m": MetricRecord({"b": 2, "a": 1})})
        self.assertEqual(one, other)
        self.assertNotEqual(records.encode(one), records.encode(other))
        self.assertEqual(list(records.decode(records.encode(other))["m"]), ["b", "a"])

    def test_keep_the_order_of_elements(self) -> None:
        rows = np.random.default_rng(1).standard_normal((300, 301)).astype(np.float32)
        for order in "CF":
            given = RecordDict({"a": ArrayRecord([np.asarray(rows, order=order)])})
            found = records.decode(records.encode(given))["a"]["0"].numpy()
            self.assertEqual(found.flags["F_CONTIGUOUS"], order == "F")
            self.assertEqual(found.sum(), np.asarray(rows, order=order).sum())

    def test_of_known_arrays_are_tensors_for_every_reader(self) -> None:
        data = records.encode(RecordDict({"a": ArrayRecord([np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(2, np.complex64)])}))
        found = load(data)
        self.assertEqual((found["0000"].dtype.name, found["0000"].tolist()), ("float32", [[0, 1, 2], [3, 4, 5]]))
        self.assertEqual(found["0001"].dtype.name, "uint8")

    def test_of_a_known_text(self) -> None:
        """The format itself: a change of it needs another number."""
        given = RecordDict({"c": ConfigRecord({"x": 1, "y": -0.0, "z": [True], "t": "é", "d": b"\x00\xff"})})
        (length,) = struct.unpack_from("<Q", records.encode(given))
        header = json.loads(records.encode(given)[8 : 8 + length])
        text = header["__metadata__"]["fedsam.records/1"]
        self.assertEqual(
            text,
            '[["c","config",[["x",["i","1"]],["y",["f","8000000000000000"]],["z",["l",[["b",true]]]],["t",["s","\\u00e9"]],["d",["y","AP8="]]]]]',
        )

    def test_of_other_bytes_are_refused(self) -> None:
        good = records.encode(RecordDict({"a": ArrayRecord([np.ones(3)])}))
        for wrong in (b"", b"no records", good[:-1], good[:20], b"\x80\x04N."):
            with self.subTest(wrong=wrong[:8]), self.assertRaisesRegex(ClientError, "no records in the format fedsam.records/1"):
                records.decode(wrong)


def count_arrays(value: RecordDict) -> int:
    return sum(len(record) for record in value.array_records.values())


if __name__ == "__main__":
    unittest.main()
