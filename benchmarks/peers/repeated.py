"""A number of steps timed as one call."""

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
