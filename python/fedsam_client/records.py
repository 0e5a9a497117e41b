"""Encodes a Flower RecordDict to bytes and back, exactly: order of records and keys, types of scalars, bits of floats, bytes of arrays.

The format is a safetensors file with a JSON text in its metadata, so any language can read it; docs/flower-records.md describes it. It
needs flwr 1.22 or newer to create the records, and no code of flwr to store them. state.py keeps a client's state in such files.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import struct
from typing import Any, Dict, Iterator, List, Tuple

import numpy as np

from fedsam_client import tensors
from fedsam_client.errors import ClientError

#: The metadata's key of the contents; its number changes with the format.
FORMAT = "fedsam.records/1"
#: Flower's name for arrays in the format of numpy.save.
_NUMPY = "numpy.ndarray"
#: The kinds of records, as the contents name them.
_KINDS = ("array", "metric", "config")


def encode(records: Any) -> bytes:
    """The bytes of a RecordDict. Equal contents in the same order have equal bytes."""
    return b"".join(parts(records))


def parts(records: Any) -> Iterator[Any]:
    """Yields the same bytes in parts, without a copy of the arrays together."""
    stored: List[Tuple[str, np.ndarray]] = []
    contents = [[name, _kind_of(record), [[key, _written(record[key], stored)] for key in record]] for name, record in records.items()]
    yield from tensors.parts(stored, {FORMAT: json.dumps(contents, separators=(",", ":"))})


def decode(data: bytes, remedy: str = "start a new run; its clients begin without a state") -> Any:
    """The RecordDict of these bytes. Raises ClientError for any other bytes, with this remedy."""
    try:
        contents, stored = _opened(data)
        return _records(contents, stored)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, struct.error, binascii.Error) as error:
        raise ClientError(f"these are no records in the format {FORMAT}: {type(error).__name__}: {error}", remedy) from error


def _kind_of(record: Any) -> str:
    # By name: flwr's classes moved between modules, and old names of them are subclasses.
    names = {one.__name__ for one in type(record).__mro__}
    for kind in _KINDS:
        if f"{kind.capitalize()}Record" in names:
            return kind
    raise ClientError(f"a {type(record).__name__} is no record of a RecordDict", "store ArrayRecord, MetricRecord and ConfigRecord alone")


def _written(value: Any, stored: List[Tuple[str, np.ndarray]]) -> Any:
    """A value as JSON. Numbers are texts: JSON numbers lose NaN, -0.0, the difference of 1 and 1.0, and integers above 2**53."""
    if isinstance(value, bool):
        return ["b", value]
    if isinstance(value, int):
        return ["i", str(int(value))]
    if isinstance(value, float):
        return ["f", struct.pack(">d", value).hex()]
    if isinstance(value, str):
        return ["s", str(value)]
    if isinstance(value, bytes):
        return ["y", base64.b64encode(value).decode("ascii")]
    if isinstance(value, list):
        return ["l", [_written(one, stored) for one in value]]
    return ["a", _written_array(value, stored)]


def _written_array(array: Any, stored: List[Tuple[str, np.ndarray]]) -> Dict[str, Any]:
    name = f"{len(stored):04}"
    native = _native(array)
    stored.append((name, np.frombuffer(array.data, np.uint8) if native is None else native))
    return {"dtype": array.dtype, "shape": list(array.shape), "stype": array.stype, "tensor": name, "native": native is not None}


def _native(array: Any) -> Any:
    """The array as numbers, where numpy.save of them returns the same bytes; None where it does not, as in Fortran order."""
    if array.stype != _NUMPY:
        return None
    try:
        found = np.load(io.BytesIO(array.data), allow_pickle=False)
        tensors.spec_of("", found)
        # As a reader of the file gets it: little-endian, row by row.
        stored = np.asarray(found, dtype=found.dtype.newbyteorder("<"), order="C")
    except Exception:  # bytes of another format, or an element type that safetensors lacks
        return None
    is_same = str(found.dtype) == array.dtype and tuple(found.shape) == tuple(array.shape) and _saved(stored) == array.data
    return stored if is_same else None


def _saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _opened(data: bytes) -> Tuple[Any, Dict[str, np.ndarray]]:
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    contents = json.loads(header.pop("__metadata__")[FORMAT])
    stored: Dict[str, np.ndarray] = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        # A slice past the end is short, and reshape then refuses it.
        flat = np.frombuffer(data[8 + length + begin : 8 + length + end], tensors.numpy_dtype(entry["dtype"]))
        stored[name] = flat.reshape(entry["shape"])
    return contents, stored


def _records(contents: Any, stored: Dict[str, np.ndarray]) -> Any:
    from flwr.app import ArrayRecord, ConfigRecord, MetricRecord, RecordDict

    kinds = {"array": ArrayRecord, "metric": MetricRecord, "config": ConfigRecord}
    records = RecordDict()
    for name, kind, entries in contents:
        record = kinds[kind]()
        for key, value in entries:
            record[key] = _read(value, stored)
        records[name] = record
    return records


def _read(written: Any, stored: Dict[str, np.ndarray]) -> Any:
    kind, value = written
    if kind == "a":
        return _read_array(value, stored[value["tensor"]])
    if kind == "l":
        return [_read(one, stored) for one in value]
    return _SCALARS[kind](value)


_SCALARS = {
    "b": bool,
    "i": int,
    "f": lambda text: struct.unpack(">d", bytes.fromhex(text))[0],
    "s": str,
    "y": lambda text: base64.b64decode(text, validate=True),
}


def _read_array(entry: Dict[str, Any], stored: np.ndarray) -> Any:
    from flwr.app import Array

    data = _saved(stored) if entry["native"] else stored.tobytes()
    return Array(dtype=entry["dtype"], shape=tuple(entry["shape"]), stype=entry["stype"], data=data)
