"""Ctrl-C: delay it until a training step is complete, and end the command while it starts."""

from __future__ import annotations

import os
import signal
import sys
import threading
from itertools import pairwise
from types import FrameType
from typing import Any


def is_command() -> bool:
    """Return whether this process runs ``minnet`` or ``python -m minnet``, and not other code."""
    if sys.argv[:1] == ["-m"]:  # Python looks for the module, which need not be minnet
        return ("-m", "minnet") in pairwise(sys.orig_argv)
    return os.path.basename("".join(sys.argv[:1])) == "minnet"


def end_at_ctrl_c() -> None:
    """Let Ctrl-C end the process at once, without a traceback of the imports of the command."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, end)


def end(number: int, frame: FrameType | None) -> None:
    """End the process, as the handler of a signal."""
    os.write(2, b"\nstopped\n")
    os._exit(130)


class Interruptions:
    """Context manager that delays Ctrl-C.

    Within ``with interruptions.delayed:``, Ctrl-C takes effect at the end of the block. A second
    Ctrl-C takes effect at once. Signals reach the main thread only; in other threads nothing is
    delayed.

    Examples
    --------
    >>> with Interruptions() as interruptions:
    ...     with interruptions.delayed:
    ...         print("complete")
    complete
    """

    def __init__(self) -> None:
        self.delaying = self.pending = False
        self.previous: Any = None
        self.delayed = _Delay(self)

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
        if self.delaying and not self.pending:
            self.pending = True
        else:
            self.previous(number, frame)


class _Delay:
    def __init__(self, owner: Interruptions) -> None:
        self.owner = owner

    def __enter__(self) -> None:
        self.owner.delaying = True

    def __exit__(self, *exception: object) -> None:
        self.owner.delaying = False
        if self.owner.pending:  # also if the block raised, so that Ctrl-C is not lost
            self.owner.pending = False
            self.owner.previous(signal.SIGINT, None)
