"""Replay a recorded training as a web page in one file."""

from minnet.replay.page import Replay, replay

__all__ = ["Replay", "replay"]
