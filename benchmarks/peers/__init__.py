"""The candidates, one file for each library.

A file contains tasks: functions that set everything up and return the callable to time, which takes
no arguments. Each file imports its library at the top, because it runs in a process of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Repeated:
    """``number`` steps in a row. One step is enough to warm up."""

    train: Callable[[int], None]
    number: int

    def __call__(self) -> None:
        self.train(self.number)

    def warm_up(self) -> None:
        self.train(1)
