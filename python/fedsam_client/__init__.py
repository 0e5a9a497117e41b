"""Runs any class with the methods of Flower's NumPyClient as a FedSAM trainer: python -m fedsam_client module:Class.

Nothing of it need be imported by the class. A class that wants to may call `report` while it works.
"""

from fedsam_client.seam import report

__all__ = ["report"]
__version__ = "0.1.0"
