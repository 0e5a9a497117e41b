"""Errors that people can act on: what goes over the seam as {"type": "error"}, and a traceback put into one line of it."""

from __future__ import annotations

import os
import traceback

#: Characters of an exception's own text, and frames of its traceback, that a message quotes. The whole is in the log.
LONGEST_TEXT = 600
FRAMES = 4
#: Characters of a source line that a message quotes.
LONGEST_LINE = 120


class ClientError(Exception):
    """The class, its arguments or what it returned is wrong. `code` is one of docs/trainer-seam.md."""

    def __init__(self, message: str, remedy: str = "", code: str = "TrainerFailed") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.code = code


def raised(what: str, error: BaseException, code: str = "TrainerFailed") -> ClientError:
    """An exception of the user's code as an error of the seam: its kind, its text, and the traceback's last lines."""
    text = shortened(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, LONGEST_TEXT)
    where = "; ".join(_frames(error))
    remedy = "the whole traceback is in the client's log"
    return ClientError(f"{what} raised {text}" + (f" ({where})" if where else ""), remedy, code)


def shortened(text: str, longest: int) -> str:
    """One line of at most so many characters."""
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
