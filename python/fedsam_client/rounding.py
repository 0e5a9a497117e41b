"""Whether two RecordDicts differ by rounding alone: the same program on another processor sums in another order.

A program that starts again sends its messages once more, and the run's record has the first ones. Where only floats differ, and by no more
than these bounds, the record's message counts.
"""

from __future__ import annotations

import io
import struct
from typing import Any, Dict, Optional

import numpy as np

from fedsam_client.errors import shortened

#: The most that an array may differ, as a part of its largest finite value: float64 and float32 sum with 16 and 7 digits.
ARRAYS: Dict[str, float] = {"float64": 1e-9, "float32": 1e-5}
#: The most that a float of a record may differ, as a part of the larger of the two.
SCALARS = 1e-12
_NUMPY = "numpy.ndarray"


def difference(recorded: Any, now: Any) -> Optional[str]:
    """What differs by more than rounding, as words that follow "message N to CLIENT:"; None where nothing does."""
    if list(recorded) != list(now):
        return f"its records were {_shown(list(recorded))} and are {_shown(list(now))}"
    for name in recorded:
        one, other = recorded[name], now[name]
        if type(one) is not type(other):
            return f"its record {name} was a {type(one).__name__} and is a {type(other).__name__}"
        if list(one) != list(other):
            return f"the keys of its record {name} were {_shown(list(one))} and are {_shown(list(other))}"
        for key in one:
            found = _of_values(one[key], other[key])
            if found is not None:
                return f"its value {name}/{key} {found}"
    return None


def _of_values(one: Any, other: Any) -> Optional[str]:
    if type(one) is not type(other):
        return f"was a {type(one).__name__} and is a {type(other).__name__}"
    if isinstance(one, list):
        if len(one) != len(other):
            return f"had {len(one)} items and has {len(other)}"
        return next((found for found in map(_of_values, one, other) if found is not None), None)
    if isinstance(one, float):
        return None if _is_near(one, other) else f"was {one!r} and is {other!r}"
    if hasattr(one, "stype"):
        return _of_arrays(one, other)
    return None if one == other else f"was {_shown(one)} and is {_shown(other)}"


def _is_near(one: float, other: float) -> bool:
    if struct.pack(">d", one) == struct.pack(">d", other) or one != one and other != other:
        return True
    return bool(np.isfinite([one, other]).all()) and abs(one - other) <= SCALARS * max(abs(one), abs(other))


def _of_arrays(one: Any, other: Any) -> Optional[str]:
    for field in ("dtype", "shape", "stype"):
        was, now = getattr(one, field), getattr(other, field)
        if was != now:
            return f"had the {field} {_shown(was)} and has {_shown(now)}"
    if one.data == other.data:
        return None
    allowed = ARRAYS.get(one.dtype) if one.stype == _NUMPY else None
    if allowed is None:
        return f"has other bytes of {one.dtype}, which have no rounding"
    was, now = (np.load(io.BytesIO(array.data), allow_pickle=False) for array in (one, other))
    if was.shape != now.shape or was.dtype != now.dtype:
        return "has another form than it says"
    finite = np.isfinite(was)
    if not np.array_equal(was[~finite], now[~finite], equal_nan=True) or not np.array_equal(finite, np.isfinite(now)):
        return "has its infinities, or what is no number, at other places"
    with np.errstate(all="ignore"):
        most = float(np.abs(was[finite].astype(np.float64) - now[finite].astype(np.float64)).max(initial=0))
        largest = float(np.abs(was[finite].astype(np.float64)).max(initial=0))
    if most <= allowed * largest:
        return None
    part = f"{most / largest:.2g} of its largest value" if largest > 0 else f"{most:.2g}, where it was 0"
    return f"differs by {part}; rounding may be {allowed:.0e} of it"


def _shown(value: Any) -> str:
    return shortened(repr(value), 80)
