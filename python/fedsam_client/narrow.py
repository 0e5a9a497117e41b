"""The 16-bit floats of a class whose parameters the run keeps as float32.

Guarantees that the class gets arrays of the type that round 0 had, and that this rounding costs no training: what `fit` changed
is added to the float32 values. Which arrays those are, the call says. Reading and writing files is left to tensors.py.
"""

from __future__ import annotations

from typing import Callable, Dict, List, Optional, Sequence

import numpy as np

from fedsam_client.errors import ClientError
from fedsam_client.tensors import Spec, numpy_dtype

#: Names on the wire of the floats that a run keeps wider.
_NARROW = ("F16", "BF16")


def narrow_types(specs: Sequence[Spec], dtypes: Optional[Sequence[str]], note: Callable[[str], None]) -> Dict[str, np.dtype]:
    """The types that arrays have for the class, by name; those that have the file's type are left out.

    `dtypes` are those of round 0, in the order of names, as the call has them: None where none differs from the file's.
    """
    if dtypes is None:
        return {}
    if len(dtypes) != len(specs):
        raise ClientError(f"the call names {len(dtypes)} dtypes for {len(specs)} tensors", "is the package older than fedsam?")
    types: Dict[str, np.dtype] = {}
    for spec, dtype in zip(sorted(specs), dtypes):
        if dtype not in _NARROW or dtype == spec.dtype:
            continue
        try:
            types[spec.name] = numpy_dtype(dtype)
        except ClientError:
            note("the run's first parameters were bfloat16, which numpy does not have: they are float32 here. Install ml_dtypes to get them")
    return types


def narrowed(spec: Spec, array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The array in 16 bits, each element rounded to the nearest. Throws ClientError where one is too large for them."""
    with np.errstate(over="ignore"):
        cast = array.astype(dtype)
    if np.isfinite(cast).all():
        return cast
    largest = array.flat[int(np.abs(array).argmax())]
    remedy = "let the class give its parameters as float32, then it gets float32"
    raise ClientError(f"array {spec.name} has grown to {largest:g}, which {dtype.name} cannot hold", remedy)


def with_remainder(returned: np.ndarray, base: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """What fit returned, with what `narrowed` took from its input given back; all in float32.

    No value changes its sign by it, so a variance stays a variance and a zero stays a zero.
    """
    remainder = base - base.astype(dtype).astype(base.dtype)
    if not remainder.any():
        return returned
    whole = returned + remainder
    return np.where(np.sign(whole) == np.sign(returned), whole, returned)
