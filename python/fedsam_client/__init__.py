"""Runs any class with the methods of Flower's NumPyClient as a FedSAM trainer: python -m fedsam_client module:Class.

The class need not import this package. It may call `report` to send its progress. A training loop of its own calls `receive` and `send`.
"""

from typing import TYPE_CHECKING, Any

from fedsam_client.seam import report

if TYPE_CHECKING:
    from fedsam_client.loop import Call, receive, send

__all__ = ["Call", "receive", "report", "send"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The names of loop.py, which needs numpy. Everything before them must be able to report that numpy is missing."""
    if name in ("Call", "receive", "send"):
        from fedsam_client import loop

        return getattr(loop, name)
    raise AttributeError(f"module fedsam_client has no attribute {name}")
