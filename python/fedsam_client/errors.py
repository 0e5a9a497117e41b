"""Errors for the user, which the seam sends as {"type": "error"}, and tracebacks shortened to one line."""

from __future__ import annotations

import os
import traceback

#: Longest text of an exception in a message, in characters, and most frames of its traceback. The log has all of it.
LONGEST_TEXT = 600
FRAMES = 4
#: Characters of a source line that a message quotes.
LONGEST_LINE = 120


class ClientError(Exception):
    """A fault of the class, its arguments or its results. docs/trainer-seam.md lists the values of `code`."""

    def __init__(self, message: str, remedy: str = "", code: str = "TrainerFailed") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.code = code


def raised(what: str, error: BaseException, code: str = "TrainerFailed") -> ClientError:
    """Converts an exception of the user's code to an error with its type, its text, and the traceback's last lines."""
    text = shortened(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, LONGEST_TEXT)
    where = "; ".join(_frames(error))
    remedy = "read the whole traceback in the client's log"
    return ClientError(f"{what} raised {text}" + (f" ({where})" if where else ""), remedy, code)


def shortened(text: str, longest: int) -> str:
    """One line of at most `longest` characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[:longest] + "…"


def _frames(error: BaseException) -> list:
    """The last frames of the user's own code, outermost first."""
    here = os.path.dirname(os.path.abspath(__file__))
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if os.path.dirname(os.path.abspath(frame.filename)) != here and not frame.filename.startswith("<")
    ]
    return [
        f"{os.path.basename(frame.filename)}:{frame.lineno} in {frame.name}: {shortened(frame.line or '', LONGEST_LINE)}"
        for frame in frames[-FRAMES:]
    ]
