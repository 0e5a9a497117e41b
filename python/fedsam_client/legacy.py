"""Runs Flower's older servers (ServerApp(server_fn=…), Server, DefaultWorkflow) so that equal runs have equal bytes.

Under Flower each client has a thread, results come from a set of futures, and another thread polls for nodes: several runs of one app end
in several models. Here fit and evaluate of a round are one exchange whose replies keep the order of the instructions, and only a call that
reads the list of clients asks for it. seen.py does the watching of newer strategies; grid.py sends.
"""

from __future__ import annotations

import functools
import importlib
import threading
import time
from typing import Any, Callable, Dict, Iterable, List, Mapping, Tuple

from fedsam_client import flower
from fedsam_client.client import numbered
from fedsam_client.seen import Seen

#: Seconds between two looks for clients, as in Flower's newer strategies.
_POLL_SECONDS = 1.0


def patch(seen: Seen) -> None:
    """Replaces the functions of flwr. An app that imports them later gets these."""
    server = importlib.import_module("flwr.server.server")
    app = importlib.import_module("flwr.server.compat.app")
    workflows = importlib.import_module("flwr.server.workflow.default_workflows")
    compat = flower.compat()
    encode = (functools.partial(compat.fitins_to_recorddict, keep_input=True), functools.partial(compat.evaluateins_to_recorddict, keep_input=True))
    decode = (functools.partial(compat.recorddict_to_fitres, keep_input=False), compat.recorddict_to_evaluateres)
    server.fit_clients = _one_exchange("train", encode[0], decode[0], server.fit_clients)
    server.evaluate_clients = _one_exchange("evaluate", encode[1], decode[1], server.evaluate_clients)
    app.start_update_client_manager_thread = workflows.start_update_client_manager_thread = _follow
    app.run_fl = _watched_server(app.run_fl, seen)
    workflows.DefaultWorkflow.__call__ = _watched_workflow(workflows.DefaultWorkflow.__call__, seen)


def _one_exchange(kind: str, encode: Callable[..., Any], decode: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """fit_clients or evaluate_clients: the results and failures in the order of the instructions."""
    from flwr.app import Message
    from flwr.server.compat.grid_client_proxy import GridClientProxy

    @functools.wraps(original)
    def exchanged(client_instructions: List[Tuple[Any, Any]], max_workers: Any, timeout: Any, group_id: int) -> Tuple[List[Any], List[Any]]:
        if not all(type(client) is GridClientProxy for client, _ in client_instructions):
            return original(client_instructions, max_workers, timeout, group_id)  # a client of the app's own has its own way
        # Clients mostly share one instruction: it is encoded once.
        contents = {id(ins): encode(ins) for ins in {id(ins): ins for _, ins in client_instructions}.values()}
        group = str(group_id) if group_id else ""
        messages = [
            Message(content=contents[id(ins)], message_type=kind, dst_node_id=client.node_id, group_id=group, ttl=timeout)
            for client, ins in client_instructions
        ]
        replies = client_instructions[0][0].grid.send_and_receive(messages=messages) if messages else []
        by_message = {reply.metadata.reply_to_message_id: reply for reply in replies}
        results: List[Any] = []
        failures: List[Any] = []
        for (client, _), message in zip(client_instructions, messages):
            try:
                result = (client, decode(_content(by_message.get(message.metadata.message_id))))
            except Exception as error:  # as in Flower: whatever a client's thread raises is that client's failure
                failures.append(error)
                continue
            (results if result[1].status.code.value == 0 else failures).append(result)
        return results, failures

    return exchanged


def _content(reply: Any) -> Any:
    if reply is None:
        raise ValueError("Expected one Message but got: 0")
    if reply.has_error():
        raise ValueError(f"Message contains an Error (reason: {reply.error.reason}). It originated during client-side execution of a message.")
    return reply.content


def _follow(grid: Any, client_manager: Any) -> Tuple[threading.Thread, threading.Event, threading.Event]:
    """In place of Flower's thread that polls for nodes: every method that reads the clients updates them first."""
    from flwr.server.compat.grid_client_proxy import GridClientProxy

    registered: Dict[int, Any] = {}
    lock = threading.RLock()

    def update() -> None:
        with lock:
            nodes = set(grid.get_node_ids())
            for node in set(registered) - nodes:
                client_manager.unregister(registered.pop(node))
            for node in nodes.difference(registered):
                proxy = GridClientProxy(node_id=node, grid=grid, run_id=grid.run.run_id)
                if not client_manager.register(proxy):
                    raise RuntimeError("Could not register node.")
                registered[node] = proxy

    count, wait = client_manager.num_available, client_manager.wait_for

    def wait_for(num_clients: int, timeout: float = 86400) -> Any:
        end = time.monotonic() + timeout
        while True:
            update()
            if count() >= num_clients or time.monotonic() >= end:
                break
            time.sleep(_POLL_SECONDS)
        return wait(num_clients, max(0, int(end - time.monotonic())))

    for name in ("num_available", "all", "sample"):
        setattr(client_manager, name, _after(update, getattr(client_manager, name)))
    client_manager.wait_for = wait_for
    done, thread = threading.Event(), threading.Thread(target=lambda: None, daemon=True)
    done.set()
    thread.start()
    return thread, threading.Event(), done


def _after(first: Callable[[], None], method: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        first()
        return method(*arguments, **named)

    return call


def _watched_server(run_fl: Callable[..., Any], seen: Seen) -> Callable[..., Any]:
    @functools.wraps(run_fl)
    def watched(server: Any, config: Any) -> Any:
        from flwr.common import parameters_to_ndarrays

        seen.starting(config.num_rounds)
        history = run_fl(server=server, config=config)
        arrays = parameters_to_ndarrays(server.parameters)
        seen.ended(list(zip(numbered(len(arrays)), arrays)), _metrics(history))
        return history

    return watched


def _watched_workflow(original: Callable[..., Any], seen: Seen) -> Callable[..., Any]:
    @functools.wraps(original)
    def watched(self: Any, grid: Any, context: Any) -> Any:
        seen.starting(getattr(getattr(context, "config", None), "num_rounds", None))
        ended = original(self, grid, context)
        arrays = [array.numpy() for array in context.state.array_records["parameters"].values()]
        seen.ended(list(zip(numbered(len(arrays)), arrays)), _metrics(context.history))
        return ended

    return watched


def _metrics(history: Any) -> Dict[str, Any]:
    """The last value of each metric of a History, by the names of seen.py."""
    found: Dict[str, Any] = {}
    kinds = (("train", (), history.metrics_distributed_fit), ("evaluate", history.losses_distributed, history.metrics_distributed))
    for kind, losses, metrics in (*kinds, ("server", history.losses_centralized, history.metrics_centralized)):
        found.update(_last(kind, {**({"loss": losses} if losses else {}), **metrics}))
    return found


def _last(kind: str, rounds: Mapping[str, Iterable[Tuple[int, Any]]]) -> Dict[str, Any]:
    return {f"{kind}.{name}": max(values, key=lambda pair: pair[0])[1] for name, values in rounds.items() if values}
