"""Converts between the 16-bit floats of a class and the float32 in which the run keeps its parameters.

Guarantees that the class gets arrays of the type that round 0 had, and that this rounding costs no training: what `fit` changed
is added to the float32 values. The call names the types of the arrays. tensors.py reads and writes the files.
"""

from __future__ import annotations

from typing import Callable, Dict, List, Optional, Sequence

import numpy as np

from fedsam_client.errors import ClientError
from fedsam_client.tensors import Spec, numpy_dtype

#: Wire names of the floats that a run keeps as float32.
_NARROW = ("F16", "BF16")


def narrow_types(specs: Sequence[Spec], dtypes: Optional[Sequence[str]], note: Callable[[str], None]) -> Dict[str, np.dtype]:
    """The class's types of the arrays, by name, where they differ from the file's types.

    `dtypes` are those of round 0, in the order of names, as the call has them: None where none differs from the file's.
    """
    if dtypes is None:
        return {}
    if len(dtypes) != len(specs):
        raise ClientError(f"the call names {len(dtypes)} dtypes for {len(specs)} tensors", "use the same version of fedsam_client and fedsam")
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
    remedy = "return float32 from get_parameters; then the class also receives float32"
    raise ClientError(f"array {spec.name} has grown to {largest:g}, which {dtype.name} cannot hold", remedy)


def with_remainder(returned: np.ndarray, base: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The arrays that fit returned, plus the digits that `narrowed` removed from its input; all in float32.

    No value changes its sign by it, so a variance stays a variance and a zero stays a zero.
    """
    remainder = base - base.astype(dtype).astype(base.dtype)
    if not remainder.any():
        return returned
    whole = returned + remainder
    return np.where(np.sign(whole) == np.sign(returned), whole, returned)
