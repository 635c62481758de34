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
        self._stream, self._shown, self._lines = stream, "", 0

    def write(self, text: str) -> int:
        """Pass on the beginning of the output at once; return len(text)."""
        lines = text[: CHARACTERS - len(self._shown)].splitlines(keepends=True)
        shown = "".join(lines[: max(0, LINES - self._shown.count("\n"))])
        self._stream.write(shown)
        self._stream.flush()
        self._shown += shown
        self._lines += text.count("\n")
        return len(text)

    def finish(self) -> None:
        """End the last line, and state how many lines are left out."""
        left_out = self._lines - self._shown.count("\n")
        end = "" if self._shown.endswith("\n") or not self._shown else "\n"
        count = f"... {left_out} more line{'s' * (left_out > 1)}\n" if left_out else ""
        self._stream.write(end + count)
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
