"""Makes the calls of the seam on a Hugging Face Trainer that a script has built: train() of the script trains once for each fit.

Guarantees that a fit begins at the weights of its call, which the first callback of on_train_begin loads and checks, and that it depends on
nothing that an earlier fit left in the Trainer (renewed.py). Refuses by name what it cannot do. weights.py knows models and PEFT's adapters.
"""

from __future__ import annotations

import io
import sys
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from fedsam_client.client import NamedClient
from fedsam_client.errors import ClientError, raised, shortened
from fedsam_client.loop import seed_of
from fedsam_client.renewed import Renewed
from fedsam_client.state import KeptBytes
from fedsam_client.weights import arrays_of, load_into, names_of

#: The first version whose Trainer this file knows.
FIRST_VERSION = 5
#: Ends of names of metrics that a clock or the memory decides (the same call would not have the same answer twice), and of the schedule's place.
_MEASURED = ("runtime", "_per_second", "preparation_time", "total_flos")


def serve_with(module: Any, session: Any) -> None:
    """Makes train() of transformers.trainer.Trainer serve the calls of a session."""
    original = module.Trainer.train

    def train(self: Any, *args: Any, **kwargs: Any) -> None:
        if session.is_serving:
            raise ClientError("a second train() was called", "call train() once: each round calls it again", "InvalidJob")
        options = session.options
        _refuse(session, self, args, kwargs)
        fits = Fits(self, lambda: original(self, *args, **kwargs), options.examples, options.keep_optimizer)
        session.serve(fits)

    def hyperparameter_search(*_: Any, **__: Any) -> None:
        raise session.refuse("--script does not run hyperparameter_search()", "search in a script of its own, without FedSAM")

    module.Trainer.train = train
    module.Trainer.hyperparameter_search = hyperparameter_search


def _refuse(session: Any, trainer: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    version = str(sys.modules["transformers"].__version__)
    resumed = [*args[:1], kwargs.get("resume_from_checkpoint")]
    reasons = {
        f"transformers {version}": (int(version.partition(".")[0]) < FIRST_VERSION, f"install transformers {FIRST_VERSION}"),
        "DeepSpeed": (_has(trainer, "is_deepspeed_enabled"), "train without it: each process must have all weights"),
        "FSDP": (any(_has(trainer, name) for name in _SHARDED), "train without it: each process must have all weights"),
        "load_best_model_at_end": (_has(trainer.args, "load_best_model_at_end"), "remove it: the run's evaluation.bestBy chooses the best round"),
        "resume_from_checkpoint": (any(one not in (None, False) for one in resumed), "remove it: the run has the weights"),
        "a trial of a hyperparameter search": (kwargs.get("trial") is not None or len(args) > 1 and args[1] is not None, "remove it"),
    }
    for name, (is_found, remedy) in reasons.items():
        if is_found:
            raise session.refuse(f"--script does not run a Trainer with {name}", remedy)
    if session.options.examples is None and _length(trainer.train_dataset) is None:
        raise session.refuse("the train_dataset has no length, so an update has no weight", "name it: --examples N")


_SHARDED = ("is_fsdp_enabled", "is_fsdp_xla_enabled", "is_distributed_loading_by_transformers")


def _has(owner: Any, name: str) -> bool:
    return bool(getattr(owner, name, False))


class Fits(NamedClient):
    """A Trainer as a client."""

    word = "train"
    has_bfloat16 = True

    def __init__(self, trainer: Any, train: Callable[[], Any], examples: Optional[int], keep_optimizer: bool) -> None:
        self._trainer = trainer
        self._train = train
        self._keep_optimizer = keep_optimizer
        self._examples = _length(trainer.train_dataset) if examples is None else examples
        self._held_out = _lengths(trainer.eval_dataset)
        if self._held_out is None:
            self.evaluate = None  # type: ignore[assignment]
        _save_nothing(trainer.args)
        self.state = KeptBytes()
        self.names: List[str] = []
        #: Whether anything ran that the Trainer may remember, and whether a call left it in the middle of something.
        self.is_used = False
        self.is_broken = False
        self._begin = _begin_callback(self)
        trainer.callback_handler.callbacks.insert(0, self._begin)
        self._renewed = Renewed(trainer)
        #: The weights of the running fit, and whether train() has loaded them.
        self._given: Dict[str, np.ndarray] = {}
        self._is_loaded = False

    @property
    def backend(self) -> str:
        """What computes, beside Python and numpy."""
        found = [(name, getattr(sys.modules.get(name), "__version__", None)) for name in ("torch", "transformers", "peft")]
        return "".join(f", {name} {version}" for name, version in found if version)

    def get_parameters(self, config: Mapping[str, Any]) -> List[np.ndarray]:
        """The model as the script made it."""
        found = arrays_of(self._trainer.model)
        self.names = list(found)
        return list(found.values())

    def ordered(self, names: Sequence[str]) -> List[str]:
        """The model's order. Where the names differ, loading them says so."""
        own = names_of(self._trainer.model)
        self.names = own if sorted(own) == sorted(names) else sorted(names)
        return self.names

    def fit(self, arrays: List[np.ndarray], config: Mapping[str, Any]) -> Tuple[List[np.ndarray], int, Dict[str, Any]]:
        """One train() of the script's Trainer, from the call's weights."""
        if self._keep_optimizer and not self.state.is_kept:
            raise ClientError("--keep-optimizer needs a client state, which this run does not keep", "remove it, or see docs/trainer-seam.md: State")
        self._begin_call(arrays, config)
        try:
            output = self._train()
            if not self._is_loaded:
                raise ClientError("train() returned without on_train_begin, so it did not train the call's weights", "use a plain transformers.Trainer")
            if self._keep_optimizer:
                self.state.records = _saved(self._trainer.optimizer)
            found = arrays_of(self._trainer.model)
            metrics = _metrics(getattr(output, "metrics", None) or {})
        except BaseException:
            self.is_broken = True
            raise
        finally:
            self._given = {}
        return [found[name] for name in self.names], self._examples or 0, metrics

    def evaluate(self, arrays: List[np.ndarray], config: Mapping[str, Any]) -> Tuple[Any, int, Dict[str, Any]]:
        """The script's own trainer.evaluate(), with the call's weights."""
        self._begin_call(arrays, config)
        load_into(self._trainer.model, self._given)
        self._given = {}
        found = self._trainer.evaluate()
        lengths = self._held_out or {}
        if any(length is None for length in lengths.values()):
            raise ClientError("the eval_dataset has no length, so its loss has no weight", "give it __len__, or leave it out")
        count = sum(length or 0 for length in lengths.values())
        return _loss(found, lengths, count), count, _metrics(found)

    def _begin_call(self, arrays: List[np.ndarray], config: Mapping[str, Any]) -> None:
        self.is_used = True
        self._given = dict(zip(self.names, arrays))
        self._is_loaded = False
        self._renewed.before_call(seed_of(config))

    def begin_training(self, model: Any, optimizer: Any) -> None:
        """In on_train_begin: model_init has made its model by then, and no other callback has seen it."""
        load_into(self._trainer.model, self._given)
        name = next((name for name, array in self._given.items() if array.size > 0), None)
        found = arrays_of(model).get(name) if name is not None else None
        if name is not None and (found is None or not np.array_equal(found, self._given[name].astype(found.dtype))):
            raise ClientError(f"train() trains another model than the one that got the weights: {name} differs", "use a plain transformers.Trainer")
        if self._keep_optimizer and self.state.records:
            _restore(optimizer, self.state.records)
        self._is_loaded = True


def _begin_callback(fits: Fits) -> Any:
    """The callback that loads the weights. Its class must be of transformers', which the script imports."""

    class Begin(sys.modules["transformers"].TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            fits.begin_training(given["model"], given.get("optimizer"))

    return Begin()


def _save_nothing(args: Any) -> None:
    """A checkpoint would hold one site's weights, and be written again in each round."""
    kind = type(args.save_strategy)
    if str(getattr(args.save_strategy, "value", args.save_strategy)) != "no":
        print("fedsam_client: train() saves no checkpoints in a run: save_strategy is now no", file=sys.stderr)
        args.save_strategy = kind("no")


def _length(data: Any) -> Optional[int]:
    try:
        return len(data)
    except TypeError:
        return None


def _lengths(data: Any) -> Optional[Dict[str, Optional[int]]]:
    """The length of each data set to evaluate, by the middle of its metrics' names; None without one."""
    if data is None:
        return None
    if isinstance(data, dict):
        return {f"_{name}": _length(one) for name, one in data.items()}
    return {"": _length(data)}


def _loss(found: Mapping[str, Any], lengths: Mapping[str, Optional[int]], count: int) -> float:
    """The mean over all held-out examples."""
    total = 0.0
    for middle, length in lengths.items():
        key = f"eval{middle}_loss"
        if key not in found:
            raise ClientError(f"evaluate() returned no {key}; it has: {shortened(', '.join(found), 200)}", "give the eval_dataset labels")
        total += float(found[key]) * (length or 0)
    return found["eval_loss"] if "" in lengths else total / max(count, 1)


def _metrics(found: Mapping[str, Any]) -> Dict[str, Any]:
    return {name: value for name, value in found.items() if name != "epoch" and not name.endswith(_MEASURED) and "_mem_" not in name}


def _saved(optimizer: Any) -> bytes:
    """The moments and steps of an optimizer; its learning rates follow the schedule, which begins again."""
    buffer = io.BytesIO()
    sys.modules["torch"].save(optimizer.state_dict()["state"], buffer)
    return buffer.getvalue()


def _restore(optimizer: Any, data: bytes) -> None:
    try:
        moments = sys.modules["torch"].load(io.BytesIO(data), map_location="cpu", weights_only=True)
        optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    except Exception as error:
        raise raised("loading the optimizer's state", error) from error
