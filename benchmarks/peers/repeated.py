"""Many steps as one thing that is timed."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Repeated:
    """So many steps in a row; one is enough to warm up."""

    train: Callable[[int], None]
    number: int

    def __call__(self) -> None:
        self.train(self.number)

    def warm_up(self) -> None:
        self.train(1)
