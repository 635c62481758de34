"""What the pictures over seeds share: a mean, its 95% interval, and a word on who is left out."""

import textwrap
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from minnet.plot.style import span, wrapped
from minnet.recording.statistics import half_interval
from minnet.validation import Array


class Means(NamedTuple):
    """Means over seeds with their interval, (places,) each; nan where there is none."""

    value: Array
    low: Array
    high: Array


def means(columns: Sequence[Array], log: bool) -> Means:
    """Return the mean of each column's usable seeds, with ``log`` their geometric mean."""
    table = np.full((3, len(columns)), np.nan)
    for place, column in enumerate(columns):
        seeds = usable(column, log)
        if seeds.size:
            seeds = np.log(seeds) if log else seeds
            mean, half = seeds.mean(), half_interval(seeds)
            table[:, place] = mean, mean - half, mean + half
    # Two seeds that are far apart leave nearly everything possible: more than a float can say.
    return Means(*(np.exp(np.clip(table, -350, 350)) if log else table))


def usable(column: Array, log: bool) -> Array:
    """Return the seeds that a mean can be taken of: finite, and with ``log`` not 0."""
    return column[np.isfinite(column) & (column != 0)] if log else column[np.isfinite(column)]


def left_out(columns: Sequence[Array], log: bool, at: Callable[[int, int], str]) -> str:
    """Say how many seeds no mean could be taken of; ``at`` names the places from one to another.

    Of columns that all lack as many, the places are not told.
    """
    sizes = [column.size for column in columns]
    broken = [int((~np.isfinite(column)).sum()) for column in columns]
    zeros = [int((column == 0).sum()) if log else 0 for column in columns]
    told = _told(broken, sizes, "not finite", at) + _told(zeros, sizes, "exactly 0", at)
    return "\n".join(textwrap.fill(note, 24) for note in told)


def _told(
    counts: list[int], sizes: list[int], what: str, at: Callable[[int, int], str]
) -> list[str]:
    if len({*zip(counts, sizes, strict=True)}) == 1:
        return [f"{counts[0]} of {sizes[0]} {what}"] if counts[0] else []
    notes = []
    for some, group in groupby(range(len(counts)), key=lambda place: counts[place] > 0):
        places = list(group)
        if some:
            number, of = (span([its[place] for place in places]) for its in (counts, sizes))
            notes.append(f"{number} of {of} {what} {at(places[0], places[-1])}")
    return notes


def entry(label: str, note: str) -> str:
    """Return a legend's text: the label, and below it the note."""
    return f"{wrapped(label)}\n{note}".strip()
