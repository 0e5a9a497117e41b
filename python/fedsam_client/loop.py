"""`receive` and `send`, for a training loop in a script of any kind. The script runs by its own interpreter: command: [python3, train.py].

Guarantees that each `receive` is answered by one `send`, that whatever is wrong with an answer is raised at the line that sent it, and that a
script that raises or ends without an answer fails its call by name. client.py checks and writes the arrays; weights.py knows models.

    while (call := fedsam_client.receive(model, evaluate)) is not None:
        loss = train(model, epochs=call.config["local_epochs"], seed=call.seed)
        fedsam_client.send(model, num_examples=len(dataset), metrics={"loss": loss})
"""

from __future__ import annotations

import atexit
import os
import sys
import traceback
from functools import partial
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from fedsam_client import seam as seams
from fedsam_client.__main__ import answer, backend
from fedsam_client.client import NamedClient, Opened, SeamClient
from fedsam_client.errors import ClientError, raised
from fedsam_client.seam import Pulse, Seam
from fedsam_client.state import KeptBytes
from fedsam_client.values import typed
from fedsam_client.weights import arrays_of, load_into, names_of

#: Gives the loss, the number of held-out examples and metrics, with the weights of a call.
Evaluate = Callable[["Call"], Tuple[float, int, Mapping[str, float]]]


class Call:
    """What the script gets from the run: the weights, and what the job says of the round."""

    def __init__(self, arrays: Dict[str, np.ndarray], config: Dict[str, Any], state: Optional[bytes], read: Callable[[], Dict[str, np.ndarray]]) -> None:
        self._arrays: Optional[Dict[str, np.ndarray]] = arrays
        self._read = read
        #: trainer.config, server_round and seed.
        self.config = config
        #: What the last `send` of this client that counts left with state=…; None before the first.
        self.state = state

    @property
    def arrays(self) -> Dict[str, np.ndarray]:
        """The weights by name, in the model's order, as they came: training the model does not change them."""
        if self._arrays is None:
            self._arrays = self._read()
        return self._arrays

    @property
    def round(self) -> int:
        """The round, from 1."""
        return int(self.config.get("server_round", 0))

    @property
    def seed(self) -> int:
        """For everything that is random in this call, from 0 to 2³²−1: random.seed, numpy.random.default_rng, torch.manual_seed."""
        return seed_of(self.config)

    def load(self, model: Any) -> None:
        """Loads the weights into a model, a dict or a list, as receive(model) does."""
        load_into(model, self.arrays)
        # The model has them now: memory holds them a second time only where the script reads call.arrays.
        self._arrays = None


def seed_of(config: Mapping[str, Any]) -> int:
    """A seed that every library takes, from that of a call's config."""
    return int(str(config.get("seed", "0"))[:8], 16)


def receive(model: Any = None, evaluate: Optional[Evaluate] = None) -> Optional[Call]:
    """Waits until this client must train, and returns the call; None when the run is over.

    The weights are loaded into `model`, if there is one: a PyTorch or Keras model, a dict of arrays by name, or a list. It is also where the
    run takes its first parameters from, if it asks this client. `evaluate(call)` returns the loss, the number of held-out examples and a
    dict of metrics; it is called here, with the weights to evaluate in `model`. Without it nothing is held out.
    """
    return _the_loop().receive(model, evaluate)


def send(model: Any, num_examples: int, metrics: Optional[Mapping[str, float]] = None, state: Optional[bytes] = None) -> None:
    """Answers the call that `receive` returned: the trained model or arrays, the weight of the update, metrics.

    `state` is what this client gets back as call.state in its next round; without it the state stays as it was.
    """
    _the_loop().send(model, num_examples, metrics, state)


class _Script(NamedClient):
    """The script as a client: what it answers without leaving `receive`."""

    word = "the script"
    has_bfloat16 = True

    def __init__(self) -> None:
        self.model: Any = None
        self.state = KeptBytes()
        self.names: List[str] = []
        self.evaluate: Optional[Callable[..., Any]] = None

    def get_parameters(self, config: Mapping[str, Any]) -> List[np.ndarray]:
        """The model as it is before the first round."""
        if self.model is None:
            remedy = "give receive the model, or start the run from a file: spec.model.initialParameters"
            raise ClientError("the run needs initial parameters from a client, and receive() got no model", remedy)
        found = arrays_of(self.model)
        self.names = list(found)
        return list(found.values())

    def ordered(self, names: Sequence[str]) -> List[str]:
        """The model's order; without a model by number where all names are numbers, else by name."""
        own = [] if self.model is None else names_of(self.model)
        if sorted(own) == sorted(names):
            self.names = own
        else:  # where a model has other names, loading it says so
            are_numbers = all(name.isascii() and name.isdigit() for name in names)
            self.names = sorted(names, key=lambda name: (int(name), name)) if are_numbers else sorted(names)
        return self.names

    def call(self, arrays: List[np.ndarray], config: Dict[str, Any], read: Callable[[], List[np.ndarray]]) -> Call:
        """The call as the script sees it, with its weights in the model. `read` gives the arrays again."""
        names = list(self.names)
        call = Call(dict(zip(names, arrays)), config, self.state.records or None, lambda: dict(zip(names, read())))
        if self.model is not None:
            call.load(self.model)
        return call


class _Waiting(NamedTuple):
    """A call of fit that the script works on."""

    line: Dict[str, Any]
    opened: Opened


class _Loop:
    """The calls of the seam as the script takes them."""

    def __init__(self) -> None:
        _check_place()
        self._seam = Seam()
        self._seam.end_line()
        self._pulse = Pulse(self._seam)
        self._script = _Script()
        self._served = SeamClient(self._script)
        self._waiting: Optional[_Waiting] = None
        self._calls = self._seam.calls()
        self._is_ready = False
        #: The call that `receive` answers itself; empty while it answers none.
        self._line: Dict[str, Any] = {}
        self._hook = sys.excepthook
        sys.excepthook = self._raised
        atexit.register(self._left)

    def receive(self, model: Any, evaluate: Optional[Evaluate]) -> Optional[Call]:
        """Answers all calls but fit, and returns the next one of fit."""
        if self._line:
            raise ClientError("receive() was called by evaluate", "return the loss, the number of held-out examples and metrics")
        if self._waiting is not None:
            raise ClientError("receive() was called before the last call had its answer", "call send() once for each call")
        script = self._script
        script.model = model
        script.evaluate = None if evaluate is None else lambda arrays, config: evaluate(script.call(arrays, config, partial(self._read, self._line)))
        if not self._is_ready:
            self._is_ready = True
            self._seam.say(type="ready", dataset="", backend=backend())
        for line in self._calls:
            if line["call"] == "fit":
                call = self._begun(line)
                if call is not None:
                    return call
            else:
                self._line = line
                answer(self._seam, self._pulse, self._served, line)
                self._line = {}
        return None

    def send(self, model: Any, num_examples: int, metrics: Optional[Mapping[str, float]], state: Optional[bytes]) -> None:
        """Checks and writes the update, and answers. What is wrong fails the call and is raised."""
        waiting = self._waiting
        if waiting is None:
            raise ClientError("send() was called without a call to answer", "call receive() first, and send() once for each call")
        try:
            if state is not None and (not isinstance(state, bytes) or not state):
                raise ClientError(f"send() got a state of type {type(state).__name__}", "give bytes, and at least one")
            answered = self._served.fitted(waiting.opened, waiting.line["output"], (self._ordered(model), num_examples, metrics))
            if state is not None:
                self._script.state.records = state
            left = self._script.state.leave(waiting.line)
        except Exception as error:
            self._fail(error if isinstance(error, ClientError) else raised("send()", error))
            raise
        self._end()
        self._seam.say(id=waiting.line["id"], type="fitted", **answered, **left)

    def _begun(self, line: Dict[str, Any]) -> Optional[Call]:
        """The call of a line; None where it failed already, and has its answer."""
        self._pulse.__enter__()
        try:
            self._script.state.take(line)
            opened, arrays = self._served.opened(line["tensors"], line.get("dtypes"))
            self._waiting = _Waiting(line, opened)
            return self._script.call(arrays, typed(line["config"]), lambda: self._read(line))
        except Exception as error:
            if not isinstance(error, ClientError):
                traceback.print_exc()
            self._waiting = self._waiting or _Waiting(line, Opened("", [], {}))
            self._fail(error if isinstance(error, ClientError) else raised("receive()", error))
            return None

    def _read(self, line: Mapping[str, Any]) -> List[np.ndarray]:
        return self._served.opened(line["tensors"], line.get("dtypes"))[1]

    def _ordered(self, model: Any) -> List[np.ndarray]:
        """The arrays of what was sent, in the order of the call. A list is in that order already."""
        found = arrays_of(model)
        if isinstance(model, (list, tuple)):
            return list(found.values())
        strange = sorted(set(found) ^ set(self._script.names))
        if strange:
            raise ClientError(f"send() got other arrays than receive() gave, such as {strange[0]}", "send the same names: the whole model")
        return [found[name] for name in self._script.names]

    def _end(self) -> None:
        self._waiting = None
        self._pulse.__exit__()

    def _fail(self, error: ClientError) -> None:
        """Answers the call that waits with an error. Only the message reaches the run's record, so it has the remedy."""
        waiting, self._waiting = self._waiting, None
        self._pulse.__exit__()
        if waiting is not None:
            print(f"fedsam_client: {error.message}", file=sys.stderr)
            message = error.message + (f": {error.remedy}" if error.remedy else "")
            self._seam.say(type="error", id=waiting.line["id"], code=error.code, message=message)

    def _raised(self, kind: Any, error: BaseException, trace: Any) -> None:
        """Python's hook for an exception that nobody caught: the script ends, and the call says why."""
        self._hook(kind, error, trace)
        if self._waiting is not None and self._seam.is_ours:
            self._fail(raised("the script", error))

    def _left(self) -> None:
        if self._waiting is not None and self._seam.is_ours:
            self._fail(ClientError("the script ended before it answered", "call send() once for each call of receive()"))


_loop: Optional[_Loop] = None


def _the_loop() -> _Loop:
    global _loop
    if _loop is None:
        _loop = _Loop()
    return _loop


def _check_place() -> None:
    """Refuses a script that has no run at its standard input, or is not the only one that reads it."""
    if seams.is_open():
        raise ClientError("receive() was called by a class or a script that fedsam_client runs", "name the script itself: command: [python3, train.py]", "InvalidJob")
    if "FEDSAM_CLIENT" not in os.environ:
        remedy = "start the script with: fedsam trainer check -- python3 train.py, or name it in a job and start fedsam run"
        raise ClientError("receive() was called outside of a run", remedy, "InvalidJob")
    if os.environ.get("RANK", "0") != "0":
        raise ClientError(f"receive() was called by rank {os.environ['RANK']}", "call receive() and send() in rank 0 alone, and broadcast", "InvalidJob")
