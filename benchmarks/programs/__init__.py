"""Whole programs that other libraries' users would write, to be timed from start to end."""
