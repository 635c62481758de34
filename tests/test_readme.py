"""The README: its code runs as it stands, in its order, and says what is so."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from minnet.__main__ import main
from minnet.exercises import WrongAnswer, check
from minnet.experiments.claims.ledger import CLAIMS

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What is defined once every block of Python in the README has run."""
    folder = tmp_path_factory.mktemp("readme")
    scope = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL):
            exec(block, scope)
    return scope | {"folder": folder}


def test_the_lecture_learns_the_digits_and_draws(ran):
    assert ran["history"].val_accuracy[-1] > 0.9
    assert (ran["folder"] / "digits.png").stat().st_size > 10_000


def test_the_training_stops_continues_from_its_file_and_freezes(ran):
    net, twin, history = ran["net"], ran["twin"], ran["history"]
    stopped = ran["stopping"].best_epoch + 5
    assert 20 < stopped < 120
    assert len(twin.history.loss) == stopped + 4
    assert twin.history.loss[:stopped] == history.loss[:stopped]
    assert twin.history.val_accuracy[-1] > 0.9
    np.testing.assert_array_equal(
        [p.trainable for p in twin.params.values()], [False] * 2 + [True] * 4
    )
    assert all(p.trainable for p in net.params.values())


def test_the_replay_holds_the_recorded_epoch(ran):
    text = (ran["folder"] / "digits.html").read_text("utf-8")
    assert text == ran["page"].html
    assert ran["page"].title == "digits"
    assert len(ran["values"].steps("relu1", "y")) == 45


def test_the_buffers_are_what_the_readme_says(ran):
    net = ran["net"]
    assert net["relu1"].dy is net["dense2"].dx
    assert np.shares_memory(net["dense1"].weight.grad, net.grad)


def test_the_layer_of_ones_own_passes_its_check(ran):
    assert set(ran["errors"]) == {"dx", "gain"}
    assert max(ran["errors"].values()) < 1e-9


def test_the_table_trains_a_network_that_is_saved_and_loaded(ran):
    assert ran["wine_history"].val_accuracy[-1] > 0.9
    assert (ran["trained"].theta == ran["wine_net"].theta).all()
    assert ran["cultivars"].tolist() == ["class_2"] * 5
    for name in ("wine_curves.png", "wine_histograms.png"):
        assert (ran["folder"] / name).stat().st_size > 10_000


def test_the_saved_pipeline_predicts_the_wines(ran):
    assert (ran["folder"] / "pipeline.joblib").is_file()
    assert ran["pipeline"].predict(ran["table"][:2]).tolist() == ["Barolo", "Barolo"]
    assert ran["search"].best_score_ > 0.95


def test_the_picture_is_the_one_that_the_command_draws(tmp_path):
    from matplotlib.image import imread

    assert main(["run", "iris", "--out", str(tmp_path)]) == 0
    shown = imread(README.parent / "examples" / "figures" / "iris_histograms.png")
    drawn = imread(tmp_path / "histograms.png")
    assert drawn.shape == shown.shape
    # Another Matplotlib may set its letters a little otherwise; other numbers move whole bars.
    assert np.abs(drawn - shown).mean() < 0.005


def test_the_ledger_that_it_names_is_whole_and_counted_right():
    ledger = README.parent / "examples" / "claims"
    claims = json.loads((ledger / "claims.json").read_text("utf-8"))
    assert claims["command"] == "minnet claims"
    assert [claim["number"] for claim in claims["claims"]] == list(range(1, 21))
    assert all(len(claim["seeds"]) >= 10 for claim in claims["claims"])
    for stored, claim in zip(claims["claims"], CLAIMS, strict=True):
        texts = {name: getattr(claim, name) for name in ("statement", "measured", "rule")}
        assert texts.items() <= stored.items()
    counted = Counter(claim["verdict"] for claim in claims["claims"])
    assert counted == {"holds": 8, "fails": 4, "conditional": 8}
    counts = "Eight hold, four fail, eight hold only under a condition, and none is undecided."
    assert counts in " ".join(README.read_text("utf-8").split())
    text = (ledger / "claims.md").read_text("utf-8")
    figures = re.findall(r"\]\((claim\d\d\.png)\)", text)
    assert len(figures) == 20
    assert all((ledger / name).is_file() for name in figures)


def _block(*, containing):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    return next(block for block in blocks if containing in block)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("gamma * x / np.sqrt((x**2).mean(axis=0) + eps)",
         "e17 rms_norm: y: in the mean square of each row, axis 0 is used."),
        ("gamma * (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + eps)",
         "e17 rms_norm: the mean of each row is subtracted, as in LayerNorm."),
        ("gamma * x / np.sqrt((x**2).mean(axis=1, keepdims=True))",
         "e17 rms_norm: y: in the root, eps is missing."),
    ],
)  # fmt: skip
def test_the_exercise_of_ones_own_describes_a_mistake(ran, body, message):
    scope = {"np": np}
    exec(f"def rms_norm(x, gamma, eps): return {body}", scope)
    with pytest.raises(WrongAnswer) as wrong:
        check(ran["EXERCISE"], scope["rms_norm"])
    assert str(wrong.value) == message
    if "axis 0" in message:
        assert message in README.read_text("utf-8")


def test_the_exercise_of_ones_own_is_complete_and_can_be_graded(tmp_path, capsys):
    exercise = tmp_path / "rms_norm.py"
    exercise.write_text(_block(containing="rms_norm"), "utf-8")
    assert main(["exercises", "dev-check", str(exercise)]) == 0
    assert capsys.readouterr().out.endswith(" no problems\n")
    bodies = {
        "right": "gamma * x / np.sqrt((x**2).mean(axis=1, keepdims=True) + eps)",
        "wrong": "gamma * x / (np.sqrt((x**2).mean(axis=1, keepdims=True)) + eps)",
    }
    for name, body in bodies.items():
        answer = tmp_path / "submissions" / name / "e17_rms_norm.py"
        answer.parent.mkdir(parents=True)
        source = f"import numpy as np\ndef rms_norm(x, gamma, eps):\n    return {body}\n"
        answer.write_text(source, "utf-8")
    out = tmp_path / "grades"
    arguments = [str(tmp_path / "submissions"), "--only", str(exercise), "--out", str(out)]
    assert main(["exercises", "grade", *arguments]) == 0
    grades = (out / "grades.json").read_text("utf-8")
    assert "e17 rms_norm: right" in grades
    assert "e17 rms_norm: y: eps is outside of the root." in grades
