"""The command ``minnet replay``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minnet.files import as_path
from minnet.recording import HistogramProbe, StatisticsProbe
from minnet.replay.page import Replay, replay


def add_parser(commands: Any) -> None:
    """Add ``replay``, which writes the page of one or two recorded training runs."""
    parser = commands.add_parser(
        "replay",
        help="write a page that replays a recorded training",
        description="Write a page that replays one recorded training, or two for comparison. The "
        "files are those of HistogramProbe.save and StatisticsProbe.save; the first of each kind "
        "belong to the first training.",
    )
    parser.add_argument("files", type=as_path, nargs="+", metavar="FILE", help="recording, .npz")
    parser.add_argument(
        "-o", "--out", type=as_path, default="replay.html", help="page (default: replay.html)"
    )
    parser.add_argument(
        "--title", nargs="+", default=[], help="name of each training (default: name of the file)"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    page = read_replay(options.files, options.title)
    page.save(options.out)
    print(f"{options.out}: {len(page.html) / 1e6:.1f} MB")
    return 0


def read_replay(files: list[Path], titles: list[str]) -> Replay:
    """Return the replay of the recordings in files.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ValueError
        If a file holds no recording, or the files do not belong to one or two training runs.
    """
    histograms: list[HistogramProbe] = []
    statistics: list[StatisticsProbe] = []
    for path in files:
        probe = _load(path)
        if isinstance(probe, HistogramProbe):
            histograms.append(probe)
        else:
            statistics.append(probe)
    one, two = len(histograms), len(statistics)
    if max(one, two) > 2 or (one and two and one != two):
        raise ValueError(
            "replay: expected histograms, statistics or both of one or two training runs, got "
            f"{one} files of histograms and {two} of statistics"
        )
    names = [*titles, *(path.name.partition(".")[0] for path in files[len(titles) :])]
    page = None
    for k in reversed(range(max(one, two))):
        numbers = statistics[k] if statistics else None
        page = replay(histograms[k] if histograms else None, numbers, other=page, title=names[k])
    assert page is not None  # there is at least one file
    return page


def _load(path: Path) -> HistogramProbe | StatisticsProbe:
    reasons = []
    for kind in (HistogramProbe, StatisticsProbe):
        try:
            return kind.load(path)
        except ValueError as error:
            reasons.append(str(error))
    raise ValueError(
        f"replay: expected a file of HistogramProbe.save or StatisticsProbe.save, got {path}. "
        + ". ".join(reasons)
    )
