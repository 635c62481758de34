"""Order of the tests: those of one exercise follow each other, since they share its mutants."""

import re
from pathlib import Path


def pytest_collection_modifyitems(items):
    """Sort the tests of this folder by the exercise at the beginning of their ids."""
    places = [k for k, item in enumerate(items) if item.path.parent == Path(__file__).parent]
    tests = sorted((items[k] for k in places), key=lambda item: exercise_of(item.name))
    for k, item in zip(places, tests, strict=True):
        items[k] = item


def exercise_of(name):
    """Return the exercise of a test, such as "e01"; "" for other tests."""
    found = re.search(r"\[(e\d\d)", name)
    return found[1] if found else ""
