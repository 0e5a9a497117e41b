"""Makes the three calls on a NumPyClient: reads arrays from files, calls the class's method in its own signature, writes the result.

Guarantees that every returned value is checked before it is sent, and that an error names the wrong value in the words of the
class's author. The coordinator checks the rest (NaN, the tensor list of the run).
"""

from __future__ import annotations

import contextlib
import inspect
import math
import numbers
import sys
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

import numpy as np

from fedsam_client import narrow, tensors
from fedsam_client.errors import ClientError, raised, shortened
from fedsam_client.state import KeptState
from fedsam_client.tensors import Spec
from fedsam_client.values import typed

#: The largest num_examples, which is the weight of an update; the smallest is 1.
MOST_EXAMPLES = 2**29
#: The answer of a client without held-out examples.
NOTHING: Dict[str, Any] = {"loss": 0.0, "num_examples": 0, "metrics": {}}


class NamedClient:
    """A client whose arrays have names, and which knows their order: a ClientApp. app.py has it."""

    #: What error messages call its method fit.
    word = "fit"
    #: Whether its arrays may be bfloat16. Flower's ArrayRecord cannot hold them.
    has_bfloat16 = False
    #: The names of its arrays, in order, after `ordered` or get_parameters.
    names: List[str]

    def ordered(self, names: Sequence[str]) -> List[str]:
        """The names of the run's tensors in the client's order."""
        raise NotImplementedError


class Opened(NamedTuple):
    """The tensors of a call: their file, their order, and the 16-bit types that the class gets instead of float32, by name."""

    source: str
    specs: List[Spec]
    types: Mapping[str, np.dtype]


class SeamClient:
    """Adapts a Flower client to the calls of the seam."""

    def __init__(self, client: Any) -> None:
        self._client = client
        #: The same client, where its arrays have names.
        self._named_client = client if isinstance(client, NamedClient) else None
        self._word = "fit" if self._named_client is None else self._named_client.word
        self._noted: Set[str] = set()
        self._names: Optional[List[str]] = None
        #: Indexes of vectors whose values were at least 0 after every fit, as those of a variance are.
        self._never_negative: Optional[Set[int]] = None
        if callable(getattr(client, "parameter_names", None)):
            self._names = _checked_names(_called("parameter_names", client.parameter_names))

    @contextlib.contextmanager
    def state(self, call: Mapping[str, Any]) -> Iterator[Dict[str, str]]:
        """Gives a ClientApp its state for a call. After a call that succeeded the dict has the answer's fields."""
        kept = getattr(self._client, "state", None)
        left: Dict[str, str] = {}
        if not isinstance(kept, KeptState):
            yield left
            return
        kept.take(call)
        yield left
        left.update(kept.leave(call))

    def message(self, call: Mapping[str, Any]) -> Dict[str, Any]:
        """The answer of a ClientApp to a message of a strategy that is a program."""
        method = getattr(self._client, "message", None)
        if not isinstance(getattr(self._client, "state", None), KeptState) or method is None:
            remedy = "name a ClientApp: app = ClientApp(client_fn=…) serves a NumPyClient"
            raise ClientError("the run's strategy is a program, which sends messages, and this class answers none", remedy, "InvalidJob")
        return method(call)

    def get_parameters(self, output: str) -> None:
        """Writes the class's parameters to a file."""
        if not hasattr(self._client, "get_parameters"):
            remedy = "write get_parameters, or start the run from a file: spec.model.initialParameters"
            raise ClientError("the class has no get_parameters, and the run needs initial parameters from a client", remedy)
        method = self._client.get_parameters
        arguments, named = _with_config(method, {})
        returned = _called("get_parameters", method, *arguments, **named)
        arrays = _arrays("get_parameters", returned)
        if not arrays:
            raise ClientError("get_parameters returned no arrays", "return the model's tensors as a list of numpy arrays")
        tensors.write(output, list(zip(self._named("get_parameters", len(arrays)), arrays)))

    def fit(
        self, source: str, output: str, config: Mapping[str, str], dtypes: Optional[Sequence[str]] = None
    ) -> Dict[str, Any]:
        """Trains from one file to the other; returns weight and metrics of the update. For `dtypes` see narrow.py."""
        # Only the method holds the arrays while it trains, so no memory is used twice.
        opened, returned = self._call_with("fit", source, config, dtypes)
        return self.fitted(opened, output, returned)

    def fitted(self, opened: Opened, output: str, returned: Any) -> Dict[str, Any]:
        """Checks and writes what `fit` returned for `opened`; returns weight and metrics of the update."""
        if not isinstance(returned, (tuple, list)) or len(returned) != 3:
            raise ClientError(f"{self._word} returned {_described(returned)}", "return three values: parameters, num_examples, metrics")
        parameters, num_examples, metrics = returned
        count = _count(self._word, num_examples, least=1)
        found = self._metrics(self._word, metrics)
        source, specs, types = opened
        arrays = self._matched(specs, types, _arrays(self._word, parameters))
        self._watch_signs(arrays)
        if types:
            places = {spec.name: index for index, spec in enumerate(specs)}
            for spec, base in tensors.each(source):
                if spec.name in types:
                    index = places[spec.name]
                    arrays[index] = narrow.with_remainder(arrays[index], base, types[spec.name])
        tensors.write(output, [(spec.name, array) for spec, array in zip(specs, arrays)])
        return {"num_examples": count, "metrics": found}

    def evaluate(self, source: str, config: Mapping[str, str], dtypes: Optional[Sequence[str]] = None) -> Dict[str, Any]:
        """The loss on the held-out examples; num_examples is 0 without the method evaluate, or without such examples."""
        if not callable(getattr(self._client, "evaluate", None)):
            return NOTHING
        _, returned = self._call_with("evaluate", source, config, dtypes)
        if not isinstance(returned, (tuple, list)) or len(returned) != 3:
            raise ClientError(f"evaluate returned {_described(returned)}", "return three values: loss, num_examples, metrics")
        loss, num_examples, metrics = returned
        count = _count("evaluate", num_examples, least=0)
        if count == 0:
            return NOTHING  # whatever the loss is: the mean of nothing is NaN
        number = _number(loss)
        if number is None:
            remedy = "return a finite number; if training has diverged, lower the learning rate"
            raise ClientError(f"evaluate returned the loss {_described(loss)}", remedy)
        return {"loss": number, "num_examples": count, "metrics": self._metrics("evaluate", metrics)}

    def opened(self, source: str, dtypes: Optional[Sequence[str]] = None) -> Tuple[Opened, List[np.ndarray]]:
        """Reads the arrays of a call, in the class's order and types."""
        found = self._in_order(tensors.read(source))
        specs = [spec for spec, _ in found]
        arrays = [array for _, array in found]
        del found
        self._note_negative(specs, arrays)
        if self._named_client is not None and not self._named_client.has_bfloat16 and dtypes is not None:
            dtypes = ["F32" if dtype == "BF16" else dtype for dtype in dtypes]
        types = narrow.narrow_types(specs, dtypes, self._note)
        for index, spec in enumerate(specs):
            if spec.name in types:
                arrays[index] = narrow.narrowed(spec, arrays[index], types[spec.name])
        return Opened(source, specs, types), arrays

    def _call_with(self, name: str, source: str, config: Mapping[str, str], dtypes: Optional[Sequence[str]]) -> Tuple[Opened, Any]:
        opened, arrays = self.opened(source, dtypes)
        method = getattr(self._client, name)
        arguments, named = _with_config(method, typed(config), arrays)
        del arrays
        return opened, _called(name, method, *arguments, **named)

    def _watch_signs(self, arrays: List[np.ndarray]) -> None:
        signs = {index for index, array in enumerate(arrays) if _is_vector(array) and not (array < 0).any()}
        self._never_negative = signs if self._never_negative is None else self._never_negative & signs

    def _note_negative(self, specs: List[Spec], arrays: List[np.ndarray]) -> None:
        """Notes negative values: without names, a server optimizer also changes a running variance."""
        if self._names is not None or self._named_client is not None:
            return
        for index in sorted(self._never_negative or ()):
            if (arrays[index] < 0).any():
                self._note(
                    f"array {index} ({specs[index].name}) came with negative values, although fit only returned values of at least 0. "
                    "If it is a running variance, give the class parameter_names(), such as: return list(self.model.state_dict())"
                )

    def _in_order(self, found: List[Tuple[Spec, np.ndarray]]) -> List[Tuple[Spec, np.ndarray]]:
        """The arrays in the class's order: that of parameter_names, or that of their numbers."""
        by_name = {spec.name: (spec, array) for spec, array in found}
        if self._named_client is not None:
            return [by_name[name] for name in self._named_client.ordered(list(by_name))]
        names = self._names
        if names is None:
            names = numbered(len(found))
            remedy = "give the class a method parameter_names() that lists the names in the order of its arrays"
        else:
            remedy = "let parameter_names() return the names in the initial parameters"
        if sorted(names) != sorted(by_name):
            strange = sorted(set(by_name) - set(names)) or sorted(set(names) - set(by_name))
            raise ClientError(f"the parameters have names of their own, such as {strange[0]}", remedy)
        return [by_name[name] for name in names]

    def _named(self, method: str, count: int) -> List[str]:
        if self._named_client is not None:
            return _checked_names(self._named_client.names)
        if self._names is None:
            return numbered(count)
        if len(self._names) == count:
            return self._names
        raise ClientError(f"{method} returned {count} arrays, parameter_names() lists {len(self._names)}", "return one array for each name")

    def _matched(self, specs: List[Spec], types: Mapping[str, np.dtype], arrays: List[np.ndarray]) -> List[np.ndarray]:
        """Converts the arrays to those of the run: the same number and shapes, with floats and integers in the run's types."""
        if len(arrays) != len(specs):
            remedy = "return all of the model's tensors, in the order that they came in"
            raise ClientError(f"{self._word} returned {len(arrays)} arrays where it was given {len(specs)}", remedy)
        return [self._fitting(index, spec, array, types.get(spec.name)) for index, (spec, array) in enumerate(zip(specs, arrays))]

    def _fitting(self, index: int, spec: Spec, array: np.ndarray, given: Optional[np.dtype]) -> np.ndarray:
        """`given` is the type that fit received, where the run's type is wider."""
        if tuple(array.shape) != spec.shape:
            raise ClientError(
                f"{self._word} returned array {index} ({spec.name}) with shape {tuple(array.shape)} where it was given {spec.shape}",
                "return the model's tensors in the order and the shapes that they came in",
            )
        if tensors.spec_of(spec.name, array).dtype == spec.dtype:
            return array
        wanted = tensors.numpy_dtype(spec.dtype)
        shown = (wanted if given is None else given).name
        cast = _cast(array, wanted)
        if cast is None:
            raise ClientError(
                f"{self._word} returned array {index} ({spec.name}) as {array.dtype.name} where it was given {shown}",
                f"return it as {shown}: array.astype('{shown}')",
            )
        if given is None or array.dtype.name != shown:
            self._note(f"{self._word} returned array {index} ({spec.name}) as {array.dtype.name}; it is sent as {wanted.name}, the run's type")
        return cast

    def _metrics(self, method: str, metrics: Any) -> Dict[str, float]:
        """Keeps numbers, which are averaged over clients. Drops other values with a note."""
        if metrics is None:
            return {}
        if not isinstance(metrics, Mapping):
            raise ClientError(f"{method} returned {_described(metrics)} for its metrics", "return a dict of numbers, or {}")
        kept: Dict[str, float] = {}
        for key, value in metrics.items():
            number = _number(value)
            if number is None:
                self._note(f"{method} returned the metric {key} as {_described(value)}, which is not a finite number: the metric is dropped")
            else:
                kept[str(key)] = number
        return kept

    def _note(self, text: str) -> None:
        if text not in self._noted:
            self._noted.add(text)
            print(f"fedsam_client: {text}", file=sys.stderr)


def _checked_names(returned: Any) -> List[str]:
    if isinstance(returned, str) or not isinstance(returned, Iterable):
        raise ClientError(f"parameter_names returned {_described(returned)}", "return a list of one name for each array")
    names = [str(name) for name in returned]
    wrong = next((name for name in names if name in ("", "__metadata__") or names.count(name) > 1), None)
    if wrong is not None:
        raise ClientError(f"parameter_names returned the name {shortened(repr(wrong), 80)}", "return a unique name for each array")
    return names


def _is_vector(array: np.ndarray) -> bool:
    return array.ndim == 1 and array.dtype.kind == "f" and array.size > 0


def _with_config(method: Callable[..., Any], config: Dict[str, Any], *before: Any) -> Tuple[Tuple[Any, ...], Dict[str, Any]]:
    """The arguments for the method's signature: (…, config), (…, **kwargs), config by name, or without config."""
    try:
        parameters = list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):
        return (*before, config), {}
    kinds = [parameter.kind for parameter in parameters]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return (*before, config), {}
    positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    if len(positional) > len(before):
        return (*before, config), {}
    takes_named = inspect.Parameter.VAR_KEYWORD in kinds or any(
        one.name == "config" and one.kind is one.KEYWORD_ONLY for one in parameters
    )
    return before, {"config": config} if takes_named else {}


def _called(name: str, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    try:
        return method(*arguments, **named)
    except ClientError:
        raise
    except SystemExit as error:
        remedy = "raise an exception instead: its message is shown"
        raise ClientError(f"{name} left the program: sys.exit({error.code!r})", remedy) from error
    except Exception as error:
        raise raised(name, error) from error


def _arrays(method: str, returned: Any) -> List[np.ndarray]:
    """Converts the returned list to arrays, without a copy of existing arrays."""
    if not isinstance(returned, (list, tuple)):
        raise ClientError(f"{method} returned {_described(returned)} for the parameters", "return a list of numpy arrays")
    arrays = []
    for index, value in enumerate(returned):
        try:
            array = np.asarray(value)
        except Exception as error:
            remedy = "return numpy arrays; convert a torch tensor with tensor.detach().cpu().numpy()"
            text = shortened(str(error), 200)
            raise ClientError(f"{method} returned {_described(value)} as array {index}: {text}", remedy) from error
        tensors.spec_of(f"{index} of {method}", array)
        arrays.append(array)
    return arrays


def _cast(array: np.ndarray, wanted: np.dtype) -> Optional[np.ndarray]:
    """Converts floats to floats of another width, and integers and flags if every value stays the same. None if impossible."""
    is_float = array.dtype.kind == "f" or array.dtype.name == "bfloat16"
    if wanted.kind == "f" or wanted.name == "bfloat16":
        return array.astype(wanted) if is_float else None
    if not is_float and array.dtype.kind == "b" and wanted.kind != "b":
        return None
    with np.errstate(invalid="ignore"):
        cast = array.astype(wanted)
    return cast if np.array_equal(cast, array) else None


def _count(method: str, value: Any, least: int) -> int:
    remedy = f"return a whole number from {least} to {MOST_EXAMPLES}, such as len(self.dataset)"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not least <= value <= MOST_EXAMPLES:
        raise ClientError(f"{method} returned {_described(value)} for num_examples", remedy)
    return int(value)


def _number(value: Any) -> Optional[float]:
    """The finite number in a Python or numpy number, or in an array or tensor of one element. None for anything else."""
    if not isinstance(value, numbers.Real) and callable(getattr(value, "item", None)):
        try:
            value = value.item()
        except Exception:  # more than one element, or an item of another kind
            return None
    if not isinstance(value, numbers.Real):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def numbered(count: int) -> List[str]:
    """Names 0000, 0001 …, with enough digits that sorting keeps the order of the arrays."""
    digits = max(4, len(str(count - 1)))
    return [f"{index:0{digits}}" for index in range(count)]


def _described(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, (numbers.Number, str, type(None))):
        return f"{shortened(repr(value), 80)} ({type(value).__name__})" if value is not None else "None"
    return f"a {type(value).__name__}"
