"""Output of an answer, folded to its first lines."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO

LINES = 8
CHARACTERS = 1000


class FoldedOutput(io.TextIOBase):
    """Text stream that passes on the first lines and counts the others."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._room = stream, CHARACTERS
        self._lines = self._shown = 0
        self._last = "\n"

    def write(self, text: str) -> int:
        """Pass on the beginning of the output; return len(text)."""
        if self._room > 0 and self._shown < LINES:
            lines = text[: self._room].splitlines(keepends=True)[: LINES - self._shown]
            self._emit("".join(lines))
        self._lines += text.count("\n")
        return len(text)

    def _emit(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()  # the process may end here
        self._room -= len(text)
        self._shown += text.count("\n")
        self._last = text[-1:] or self._last

    def finish(self) -> None:
        """End the last line, and state how many lines are left out."""
        left_out = self._lines - self._shown
        cut = self._room <= 0 and not left_out
        if self._last != "\n":
            self._stream.write("...\n" if cut else "\n")
        if left_out:
            self._stream.write(f"... {left_out} more line{'s' * (left_out > 1)}\n")
        self._stream.flush()


@contextmanager
def folded_output() -> Iterator[None]:
    """Fold what is printed within a ``with`` statement."""
    folded = FoldedOutput(sys.stdout)
    try:
        with redirect_stdout(folded):
            yield
    finally:
        folded.finish()
