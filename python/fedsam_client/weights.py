"""Reads the arrays of a model by name, and loads arrays into it: a PyTorch or Keras model, PEFT's adapters, a dict or a list.

Guarantees that a model gets all of its arrays or an error that names the wrong one. It recognises a model by its methods and imports no
framework: torch and peft are used only where the script has imported them.
"""

from __future__ import annotations

import sys
from typing import Any, Dict, List, Mapping, MutableMapping, Optional

import numpy as np

from fedsam_client.errors import ClientError, raised, shortened

_REMEDY = "give a PyTorch or Keras model, a dict of arrays by name, or a list of arrays"


def arrays_of(model: Any) -> Dict[str, np.ndarray]:
    """The arrays by name, in the model's order. They may share memory with the model. A list has the names 0000, 0001, …."""
    if _is_keras(model):
        return dict(zip(_keras_names(model), model.get_weights()))
    return {name: _array(name, value) for name, value in _tensors_of(model).items()}


def names_of(model: Any) -> List[str]:
    """The names of its arrays, in order. Copies no array from a device."""
    return _keras_names(model) if _is_keras(model) else list(_tensors_of(model))


def load_into(model: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Replaces the values of all arrays of a model, which shares no memory with `arrays`. A dict or a list is changed in place."""
    if _is_keras(model):
        names = _keras_names(model)
        _same_names(names, arrays)
        model.set_weights([arrays[name] for name in names])
        return
    present = _tensors_of(model)
    _same_names(list(present), arrays)
    for name, value in present.items():
        if tuple(np.shape(value)) != arrays[name].shape:
            message = f"array {name} came with shape {arrays[name].shape}, and the model's has {tuple(np.shape(value))}"
            raise ClientError(message, "build the same model at every client")
    if _is_torch(model):
        _load_torch(model, {name: _tensor(array) for name, array in arrays.items()})
        return
    for name, value in present.items():
        _replace(model, name, value, arrays[name])


def _tensors_of(model: Any) -> Dict[str, Any]:
    """The model's values by name: tensors of torch, or anything that numpy reads."""
    if _is_torch(model):
        adapter = _adapter(model)
        if adapter is None:
            return dict(model.state_dict())
        return dict(sys.modules["peft"].get_peft_model_state_dict(model, adapter_name=adapter))
    if isinstance(model, Mapping):
        found = {str(name): value for name, value in model.items()}
        if len(found) == len(model):
            return found
        texts = [str(name) for name in model]
        twice = next(text for text in texts if texts.count(text) > 1)
        raise ClientError(f"two arrays have the name {twice}", "give each array a key whose text is its own")
    if isinstance(model, (list, tuple)):
        return {f"{place:04}": value for place, value in enumerate(model)}
    raise ClientError(f"a {type(model).__name__} has no arrays by name", _REMEDY)


def _is_torch(model: Any) -> bool:
    methods = ("state_dict", "load_state_dict")
    return not _is_keras(model) and all(callable(getattr(model, name, None)) for name in methods)


def _is_keras(model: Any) -> bool:
    """Also on Keras' torch backend, where a model is a torch module that names each tensor twice."""
    methods = ("get_weights", "set_weights")
    return isinstance(getattr(model, "weights", None), list) and all(callable(getattr(model, name, None)) for name in methods)


def _keras_names(model: Any) -> List[str]:
    """The variables' paths, which FedSAM's rules for running statistics read; their places where two are equal."""
    names = [str(getattr(one, "path", None) or getattr(one, "name", "")) for one in model.weights]
    if len(names) == len(model.get_weights()) and len(set(names)) == len(names) and "" not in names:
        return names
    return [f"{place:04}" for place in range(len(model.get_weights()))]


def _adapter(model: Any) -> Optional[str]:
    """The active adapter of a PeftModel: only its arrays train, and only they travel."""
    peft = sys.modules.get("peft")
    if peft is None or not isinstance(model, peft.PeftModel):
        return None
    active = model.active_adapter
    names = [active] if isinstance(active, str) else list(active)
    if len(names) == 1:
        return names[0]
    raise ClientError(f"the model has {len(names)} active adapters", "activate one: model.set_adapter(NAME)", "InvalidJob")


def _load_torch(model: Any, values: Dict[str, Any]) -> None:
    adapter = _adapter(model)
    if adapter is None:
        model.load_state_dict(values)
        return
    result = sys.modules["peft"].set_peft_model_state_dict(model, values, adapter_name=adapter)
    if getattr(result, "unexpected_keys", None):
        strange = shortened(", ".join(result.unexpected_keys), 200)
        raise ClientError(f"PEFT found no place for {strange}", "use one version of peft at every client")


def _replace(model: Any, name: str, value: Any, array: np.ndarray) -> None:
    """In place where that is possible, so that every other name of the same array has the new values."""
    if hasattr(value, "detach"):
        value.detach().copy_(_tensor(array))
    elif isinstance(value, np.ndarray) and value.flags.writeable and value.dtype == array.dtype:
        np.copyto(value, array)
    elif isinstance(model, list):
        model[int(name)] = array.copy()
    elif isinstance(model, MutableMapping):
        model[next(key for key in model if str(key) == name)] = array.copy()
    else:
        raise ClientError(f"array {name} of a {type(model).__name__} cannot be replaced", "give receive a dict or a list, or use call.arrays")


def _same_names(names: List[str], arrays: Mapping[str, np.ndarray]) -> None:
    strange = sorted(set(names) ^ set(arrays))
    if strange:
        own = [name for name in strange if name in names]
        where = f"the model has {shortened(', '.join(own), 120)}, and the run has not" if own else "the model has not"
        others = [name for name in strange if name not in names]
        message = f"the run has {shortened(', '.join(others), 120)}, and {where}" if others and not own else where
        raise ClientError(f"the model has other arrays than the run: {message}", "start the run from this model, or build the same model at every client")


def _array(name: str, value: Any) -> np.ndarray:
    try:
        if not hasattr(value, "detach"):
            return np.asarray(value)
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            return _of_bfloat16(value)
        return value.numpy()
    except Exception as error:
        raise raised(f"reading array {name} of the model", error) from error


def _of_bfloat16(tensor: Any) -> np.ndarray:
    """numpy has bfloat16 only with ml_dtypes; float32 holds the same values."""
    try:
        import ml_dtypes
    except ImportError:
        return tensor.float().numpy()
    return tensor.contiguous().view(sys.modules["torch"].int16).numpy().view(ml_dtypes.bfloat16)


def _tensor(array: np.ndarray) -> Any:
    torch = sys.modules["torch"]
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)
