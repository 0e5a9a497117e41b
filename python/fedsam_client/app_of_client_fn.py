"""Serves a ClientApp that was made of a client_fn: sends it Flower's messages of the older form, so its mods run too.

Guarantees a new client for each call, as under Flower, with context.state in between. app.py serves the apps of the Message API.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple

import numpy as np

from fedsam_client import flower
from fedsam_client.arguments import Given
from fedsam_client.errors import ClientError
from fedsam_client.messages import answered, asked
from fedsam_client.state import KeptState


class ClientFnApp:
    """A ClientApp(client_fn=…) with the methods of a NumPyClient, for SeamClient."""

    def __init__(self, app: Any, name: str, given: Given) -> None:
        flower.refuse_version(flower.flower_version(), f"the ClientApp {name}")
        flower.refuse_secure(app, name)
        flower.take_identity(flower.node_id(given.client))
        self._app = app
        self._given = given
        self.state = KeptState()

    def message(self, call: Mapping[str, Any]) -> Dict[str, Any]:
        """The answer to a message of a strategy of the user's own."""
        return answered(self._app, self._given, self.state, call)

    def get_parameters(self, config: Mapping[str, Any]) -> List[np.ndarray]:
        """What get_parameters of the app's client returns."""
        from flwr.common import GetParametersIns, parameters_to_ndarrays

        compat = flower.compat()
        # Outside of the rounds, so it neither sees nor leaves a state.
        kept, self.state.records = self.state.records, None
        try:
            content = self._asked("get_parameters", compat.getparametersins_to_recorddict(GetParametersIns(dict(config))))
        finally:
            self.state.records = kept
        return parameters_to_ndarrays(compat.recorddict_to_getparametersres(content, keep_input=False).parameters)

    def fit(self, parameters: List[np.ndarray], config: Mapping[str, Any]) -> Tuple[List[np.ndarray], int, Dict[str, Any]]:
        """What fit of the app's client returns."""
        from flwr.common import FitIns, ndarrays_to_parameters, parameters_to_ndarrays

        compat = flower.compat()
        sent = compat.fitins_to_recorddict(FitIns(ndarrays_to_parameters(parameters), dict(config)), keep_input=True)
        result = compat.recorddict_to_fitres(self._asked("train", sent), keep_input=False)
        if result.status.code.value != 0:
            raise ClientError(f"fit ended with the status {result.status.code.name}: {result.status.message}")
        return parameters_to_ndarrays(result.parameters), result.num_examples, dict(result.metrics)

    def evaluate(self, parameters: List[np.ndarray], config: Mapping[str, Any]) -> Tuple[float, int, Dict[str, Any]]:
        """What evaluate of the app's client returns."""
        from flwr.common import EvaluateIns, ndarrays_to_parameters

        compat = flower.compat()
        sent = compat.evaluateins_to_recorddict(EvaluateIns(ndarrays_to_parameters(parameters), dict(config)), keep_input=True)
        result = compat.recorddict_to_evaluateres(self._asked("evaluate", sent))
        return result.loss, result.num_examples, dict(result.metrics)

    def _asked(self, kind: str, content: Any) -> Any:
        return asked(self._app, kind, content, self._given, self.state)
