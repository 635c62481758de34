"""Made-up trials for the claims on initial weights, and how to read a finding."""

from minnet.experiments.claims import guideline, initialization
from minnet.experiments.trial import Trial

CLAIM = {claim.number: claim for claim in initialization.CLAIMS + guideline.CLAIMS}
SEEDS = 10


def result(finding):
    """The interval of the most important number."""
    return finding.numbers[finding.result]


def undecided(finding):
    """The names of the undecided parts."""
    names = [name for name, outcome in finding.parts.items() if outcome is None]
    return [name if isinstance(name, str) else " ".join(name) for name in names]


def network(stds, zeros=0.5, dead=0, middle=0.0):
    """The snapshot of a network with these std by layer, of 64 units each."""
    hidden = [
        {"units": 64, "dead": dead, "mean": middle, "std": std, "zeros": zeros} for std in stds
    ]
    return {"hidden": hidden, "dense": []}


def trial(setup, start=None, end=None, accuracy=0.5, likeness=0.0):
    measured = {"likeness": [likeness] * len(setup.hidden) + [1.0]}
    made = Trial(setup, start=start, end=end, measures={"end": measured})
    made.curves["val_accuracy"].append(accuracy)
    return made


def diverged(setup):
    return Trial(setup, start=network([1.0] * len(setup.hidden)), stopped="NaN in dense1")


def every(number, make):
    """Ten trials for each label of a claim, from make(label, setup, jitter)."""
    return {
        label: [make(label, setup, 1 + 0.01 * seed) for seed in range(SEEDS)]
        for label, setup in CLAIM[number].setups.items()
    }
