"""Converts a text of a job to a Python value, by one rule for trainer.config and for --arg.

Numbers as JSON writes them become int or float, true and false become bool, a JSON string in double quotes becomes its content.
Any other text stays a str. A list, an object and null are refused by name: a class could not tell them from text.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Dict, Mapping

from fedsam_client.errors import ClientError, shortened

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS = {"true": True, "false": False}
#: Most digits of an int. Python 3.11 and later refuse longer texts, because they take long to convert.
MOST_DIGITS = 4300


def scalar(text: str, what: str) -> Any:
    """The value of a text. `what` names it in errors, for example "--arg rate"."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and len(text) <= MOST_DIGITS:
        return int(text)
    if _FLOAT.fullmatch(text):
        return _float(text, what)
    if text == "null" or (text[:1] in ("[", "{") and _is_json(text)):
        kind = {"[": "a list", "{": "an object"}.get(text[:1], "null")
        remedy = "write a number, true, false or text; to send this as text, add double quotes around it"
        raise ClientError(f"{what} is {kind}: {shortened(text, 80)}", remedy, "InvalidJob")
    return unquoted(text)


def unquoted(text: str) -> str:
    """The content of a JSON string; any other text unchanged."""
    if len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
        return text
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, str) else text


def typed(config: Mapping[str, str]) -> Dict[str, Any]:
    """A call's config with the values that Flower would pass. FedSAM's seed (64 hexadecimal digits) stays text."""
    return {
        name: text if name == "seed" else scalar(text, f"the value of {name} in trainer.config") for name, text in config.items()
    }


def _float(text: str, what: str) -> float:
    number = float(text)
    if math.isfinite(number):
        return number
    raise ClientError(f"{what} is {shortened(text, 80)}, which no float can hold", "write a smaller number", "InvalidJob")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
