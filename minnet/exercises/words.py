"""Messages and hints for mutants, made of words of the edits and meanings of the steps."""

from minnet.exercises.mutants import Mutant
from minnet.exercises.operators import Edit
from minnet.exercises.reference import Reference

HINTS = (
    ("axis", "Which axis counts the rows, and which the features? Which of them shares a number?"),
    ("all entries", "How many numbers should there be, one for all or one for each column?"),
    ("first row", "Does your loop take in every row, or does it keep only one of them?"),
    ("last row", "Does your loop take in every row, or does each one replace the one before?"),
    ("wrong sign", "If this quantity grows a little, should the result grow or shrink?"),
    ("sum is used", "By what should the result change if the batch is twice as large?"),
    ("mean is used", "dy contains the 1/n of the loss already; is a second division needed?"),
    ("transposed", "Write the shapes of both factors, and of what they should give."),
    ("swapped", "Write the shapes of both factors, and of what they should give."),
    ("equality", "What should happen where both sides are exactly equal?"),
    ("kept from the first", "When is this value stored, and is it stored every time?"),
    ("earlier value", "Should a second call add to the first, or begin anew?"),
    ("never updated", "Which line should change this value, and does it run?"),
    ("condition", "Try both cases of the condition by hand: which lines run?"),
    ("minus 1", "Which of the two variances in the exercise is needed here?"),
    ("full number", "Which of the two variances in the exercise is needed here?"),
    ("a fixed", "Which argument should this number be?"),
    ("outside of", "Compare your brackets with those of the formula, one by one."),
    ("inside of", "Compare your brackets with those of the formula, one by one."),
    ("is computed before", "Follow one call by hand: is the old value used, or the new one?"),
    ("belongs", "Follow this quantity through the formula of the exercise: what stands there?"),
    ("missing", "Compare your code with the formula, part by part: which part does not occur?"),
)  # fmt: skip
FAULT_HINTS = {
    "overflow": "How large can the argument be, and which form of the formula keeps it small?",
    "divide_by_zero": "Which input makes the divisor 0, and what should the result be there?",
    "invalid_value": "Which step has no result as a number, such as 0 / 0 or the root of -1?",
    "input_changed": "Which of your lines write into an argument, and which make a new array?",
    "second_run_differs": "What is kept between two runs, in a default argument or in the class?",
}
GENERAL = "Compute this result by hand for two rows and two columns, and compare each step."


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
    parts = [_part(name, words, edits, reference) for words, edits in wrong.items()]
    factor = f"; besides, it is {mutant.factor} times what that gives" if mutant.factor else ""
    return f"{name}: {'; and '.join(parts)}{factor}."


def _part(name: str, words: str, edits: list[Edit], reference: Reference) -> str:
    steps = list(dict.fromkeys(reference.steps[edit.step] for edit in edits))
    others = [step for step in steps if name not in (step.name, step.meaning)]
    others = [step for step in others if step.name != name.split(maxsplit=1)[0]]
    if not others:
        return words
    if len(steps) > 2:
        return f"{words} throughout, from {steps[0].meaning} on"
    if all(step.meaning in words for step in others):
        return words
    return f"in {' and '.join(step.meaning for step in steps)}, {words}"


def hint(mutant: Mutant) -> str:
    """Return a question or a suggestion that fits the mistake."""
    if mutant.known is not None:
        return mutant.known.hint
    return next((text for part, text in HINTS if part in mutant.words), GENERAL)
