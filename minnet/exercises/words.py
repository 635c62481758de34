"""Messages and hints for mutants, made of words of the edits and meanings of the steps."""

import re
from importlib.resources import files

from minnet.exercises.mutants import Mutant
from minnet.exercises.operators import Edit, in_words
from minnet.exercises.reference import Reference


def _hints() -> list[tuple[str, str]]:
    text = files("minnet.exercises").joinpath("hints.txt").read_text(encoding="utf-8")
    lines = [line.split(" : ", 1) for line in text.splitlines() if line and line[0] != "#"]
    return [(part.strip(), hint) for part, hint in lines]


HINTS = _hints()


def sentence(name: str, mutant: Mutant, reference: Reference) -> str:
    """Return what is wrong with a result, such as "dx: the path through the mean is missing."."""
    if mutant.known is not None:
        return mutant.known.message
    if "swapped" in mutant.options:
        return f"{mutant.words}."
    if not mutant.edits:
        return f"{name}: {mutant.words}."
    wrong: dict[str, list[Edit]] = {}
    for edit in mutant.edits:
        wrong.setdefault(edit.words, []).append(edit)
    parts: dict[str, list[str]] = {}
    for edits in wrong.values():
        words = in_words(edits)
        parts.setdefault(_place(name, words, edits, reference), []).append(words)
    text = "; and ".join(_joined(place, words) for place, words in parts.items())
    factor = f"; besides, it is {mutant.factor} times what that gives" if mutant.factor else ""
    return f"{name}: {text}{factor}."


def _place(name: str, words: str, edits: list[Edit], reference: Reference) -> str:
    """Return the steps in which a mistake is, unless the name of the result or the words do."""
    steps = list(dict.fromkeys(reference.steps[edit.step] for edit in edits))
    others = [step for step in steps if name not in (step.name, step.meaning)]
    others = [step for step in others if step.name != name.split(maxsplit=1)[0]]
    if all(re.search(rf"(?<!\w){re.escape(step.meaning)}(?!\w)", words) for step in others):
        return ""
    if len(steps) > 2:
        return f"each step from {steps[0].meaning} to {steps[-1].meaning}"
    return " and ".join(dict.fromkeys(step.meaning for step in steps))


def _joined(place: str, words: list[str]) -> str:
    """Return the place and the words: "in the mean, axis 1 is used" or "the mean is doubled"."""
    text = "; and ".join(words)
    if not place:
        return text
    if text.startswith("it "):
        return f"{'each of ' * (' and ' in place)}{place} {text.removeprefix('it ')}"
    return f"in {place}, {text}"


def hint(words: str) -> str:
    """Return a question or a suggestion that fits the words of a mistake, or the id of a fault."""
    return next(text for part, text in HINTS if part in words)
