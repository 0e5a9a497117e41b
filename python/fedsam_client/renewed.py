"""Puts a Hugging Face Trainer back to how the script left it at train(), so that a call finds nothing of the calls before it.

Guarantees that a Trainer that lives on computes what a new process would: optimizer, schedule, counters of callbacks, loss scale, seeds, and
which parameters train. It cannot see what a data set or a collator remembers (`--fresh` restarts the script for that).
"""

from __future__ import annotations

import copy
import sys
import types
from typing import Any, Dict, List, Tuple


class Renewed:
    """What a Trainer is at its first train()."""

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer
        self._optimizers = [(one, copy.deepcopy(one.state_dict())) for one in (trainer.optimizer, trainer.lr_scheduler) if one is not None]
        self._own = (trainer.optimizer, trainer.lr_scheduler)
        self._callbacks = list(trainer.callback_handler.callbacks)
        self._counters = self._read_counters()
        self._control = copy.deepcopy(trainer.control)
        self._state = copy.deepcopy(trainer.state)
        self._batch_size = getattr(trainer, "_train_batch_size", None)
        self._flags = _flags(trainer)
        scaler = getattr(trainer.accelerator, "scaler", None)
        self._scale = None if scaler is None else copy.deepcopy(scaler.state_dict())

    def before_call(self, seed: int) -> None:
        """Restores the Trainer, and seeds every generator."""
        trainer = self._trainer
        trainer.optimizer, trainer.lr_scheduler = self._own
        for one, state in self._optimizers:
            one.load_state_dict(copy.deepcopy(state))
        trainer.callback_handler.callbacks[:] = self._callbacks
        for callback, counters in self._counters:
            vars(callback).clear()
            vars(callback).update(self._copied(counters))
        trainer.control = copy.deepcopy(self._control)
        trainer.state = copy.deepcopy(self._state)
        if self._batch_size is not None:
            trainer._train_batch_size = self._batch_size
        if trainer.model_init is None:
            for name, parameter in trainer.model.named_parameters():
                parameter.grad = None
                parameter.requires_grad_(self._flags.get(name, parameter.requires_grad))
        if self._scale is not None:
            trainer.accelerator.scaler.load_state_dict(copy.deepcopy(self._scale))
        # model_init seeds again from args.seed; everything else follows from the generators.
        trainer.args.seed = seed
        utils = sys.modules["transformers"].trainer_utils
        if getattr(trainer.args, "full_determinism", False):
            utils.enable_full_determinism(seed)
        else:
            utils.set_seed(seed)

    def _read_counters(self) -> List[Tuple[Any, Dict[str, Any]]]:
        found = []
        for callback in self._callbacks:
            try:
                found.append((callback, self._copied(vars(callback))))
            except Exception as error:  # an open file, a lock, a connection
                name = type(callback).__name__
                print(f"fedsam_client: what {name} remembers stays from fit to fit, because it cannot be copied: {error}", file=sys.stderr)
        return found

    def _copied(self, values: Dict[str, Any]) -> Dict[str, Any]:
        """A copy of a callback's values. The Trainer and its parts stay the same objects, as do modules."""
        trainer = self._trainer
        names = ("model", "args", "train_dataset", "eval_dataset", "processing_class", "data_collator", "optimizer", "lr_scheduler", "accelerator", "callback_handler")
        kept = [trainer, *(getattr(trainer, name, None) for name in names), *self._callbacks]
        kept += [value for value in values.values() if isinstance(value, types.ModuleType)]
        return copy.deepcopy(values, {id(one): one for one in kept if one is not None})


def _flags(trainer: Any) -> Dict[str, bool]:
    """Which parameters train, by name. model_init makes new ones each time."""
    if trainer.model_init is not None:
        return {}
    return {name: parameter.requires_grad for name, parameter in trainer.model.named_parameters()}
