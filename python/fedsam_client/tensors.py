"""Reads and writes arrays in safetensors files, one array at a time, so that memory never holds a file twice.

Guarantees the layout that FedSAM uploads (sorted by name, no metadata), so that no file is rewritten. The safetensors package does the
same, but its numpy writer first copies every array to bytes. Tests compare both.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from fedsam_client.errors import ClientError

#: Wire name by numpy's kind and size of an element.
_NAMES = {"f8": "F64", "f4": "F32", "f2": "F16", "i8": "I64", "i4": "I32", "i2": "I16", "i1": "I8", "u1": "U8", "b1": "BOOL"}
_DTYPES = {name: np.dtype("<" + code) for code, name in _NAMES.items()}
#: Remedies for element types that cannot be sent.
_REMEDIES = {
    "O": "an array of objects (a list of arrays of different lengths?) is not numbers: return one array for each tensor",
    "U": "text is not numbers: remove it from the parameters",
    "S": "text is not numbers: remove it from the parameters",
    "u": "use int32 or int64 (array.astype('int64'))",
    "c": "send the real and the imaginary part as two arrays",
}


class Spec(NamedTuple):
    """A tensor in a file's header."""

    name: str
    dtype: str
    shape: Tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype}{list(self.shape)}"


def spec_of(name: str, array: np.ndarray) -> Spec:
    """The array's entry in the header. Raises ClientError for an element type that cannot be sent."""
    dtype = array.dtype
    known = _NAMES.get(f"{dtype.kind}{dtype.itemsize}")
    # numpy computes the name on each access, so read it only for types that are not numpy's own.
    if known is None and dtype.name == "bfloat16":
        known = "BF16"
    if known is None:
        remedy = _REMEDIES.get(dtype.kind, "use float64, float32, float16, int64, int32, int16, int8, uint8 or bool")
        raise ClientError(f"array {name} has elements of type {dtype.name}, which cannot be sent", remedy)
    return Spec(name, known, tuple(array.shape))


def numpy_dtype(name: str) -> np.dtype:
    """The numpy type of a wire name. BF16 needs the package ml_dtypes, because numpy has no bfloat16."""
    if name in _DTYPES:
        return _DTYPES[name]
    if name != "BF16":
        raise ClientError(f"numpy has no element type for {name}")
    try:
        import ml_dtypes
    except ImportError:
        raise ClientError(
            "the parameters contain bfloat16, which numpy does not support",
            "install the package ml_dtypes, or start the run from float32 parameters",
        ) from None
    return np.dtype(ml_dtypes.bfloat16)


def write(path: str, tensors: Iterable[Tuple[str, np.ndarray]]) -> None:
    """Writes the arrays to a file, sorted by name, without a copy where an array is contiguous."""
    with open(path, "wb") as file:
        for part in parts(tensors):
            file.write(part)


def parts(tensors: Iterable[Tuple[str, np.ndarray]], metadata: Optional[Mapping[str, str]] = None) -> Iterator[Any]:
    """Yields the bytes of such a file: the header, then each array's memory. The header has `metadata`, if it is given."""
    ordered = sorted(tensors, key=lambda named: named[0])
    entries: Dict[str, Any] = {} if metadata is None else {"__metadata__": dict(metadata)}
    end = 0
    for name, array in ordered:
        spec = spec_of(name, array)
        begin, end = end, end + array.size * array.dtype.itemsize
        entries[name] = {"dtype": spec.dtype, "shape": list(spec.shape), "data_offsets": [begin, end]}
    header = json.dumps(entries, separators=(",", ":"), ensure_ascii=metadata is not None).encode("utf-8")
    header += b" " * (-len(header) % 8)
    yield struct.pack("<Q", len(header)) + header
    for _, array in ordered:
        if array.size > 0:
            # Viewed as bytes, numpy's dtypes and bfloat16 alike. Copied only where the order of bytes or elements differs.
            little = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
            yield little.reshape(-1).view(np.uint8)


def read(path: str) -> List[Tuple[Spec, np.ndarray]]:
    """The arrays of a file, sorted by name, each in its own writable memory."""
    return list(each(path))


def each(path: str) -> Iterator[Tuple[Spec, np.ndarray]]:
    """Yields the same arrays one after the other."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        for name, entry in sorted(header.items()):
            dtype = numpy_dtype(entry["dtype"])
            shape = tuple(entry["shape"])
            array = np.empty(shape, dtype)
            file.seek(8 + length + entry["data_offsets"][0])
            if array.size > 0:
                _fill(file, array, path)
            yield Spec(name, entry["dtype"], shape), array


def _fill(file: Any, array: np.ndarray, path: str) -> None:
    view = memoryview(array.reshape(-1).view(np.uint8))
    filled = 0
    while filled < len(view):
        count = file.readinto(view[filled:])
        if not count:
            raise ClientError(f"{path} ends too early")
        filled += count
