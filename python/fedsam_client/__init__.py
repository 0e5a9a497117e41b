"""Runs any class with the methods of Flower's NumPyClient as a FedSAM trainer: python -m fedsam_client module:Class.

The class need not import this package. It may call `report` to send its progress.
"""

from fedsam_client.seam import report

__all__ = ["report"]
__version__ = "0.1.0"
