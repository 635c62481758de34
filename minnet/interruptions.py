"""Ctrl-C and training: a step that has begun is finished first."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interruptions:
    """Ctrl-C, held back while a step is under way, so that no step is ever half done.

    A second Ctrl-C within one step is let through. Only the main thread receives signals; in
    another there is nothing to hold back.
    """

    def __init__(self) -> None:
        self.held = self.pending = False
        self.previous: Any = None

    def __enter__(self) -> Interruptions:
        if threading.current_thread() is threading.main_thread():
            self.previous = signal.getsignal(signal.SIGINT)
        if callable(self.previous):
            signal.signal(signal.SIGINT, self._receive)
        return self

    def __exit__(self, *exception: object) -> None:
        if callable(self.previous):
            signal.signal(signal.SIGINT, self.previous)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.held and not self.pending:
            self.pending = True
        else:
            self.previous(number, frame)

    def wait(self) -> None:
        """From here on Ctrl-C waits."""
        self.held = True

    def resume(self) -> None:
        """Ctrl-C acts again; one that came meanwhile acts now."""
        self.held = False
        if self.pending:
            self.previous(signal.SIGINT, None)
