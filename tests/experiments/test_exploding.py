"""Exploding gradients: training diverges, clipping helps, and figures and report agree."""

import re

import numpy as np
import pytest

from minnet.experiments import exploding
from minnet.experiments.trial import train

DIGITS = {"data": "digits", "epochs": 10}
PLAIN, CLIPPED, HE = exploding.VARIANTS


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The experiment on the digits, two seeds, and the folder it was written into."""
    out = tmp_path_factory.mktemp("exploding")
    setups = {label: setup.but(**DIGITS) for label, setup in exploding.VARIANTS.items()}
    return exploding.EXPERIMENT.run(setups, out, seeds=(0, 1)), out


@pytest.fixture(scope="module")
def figures(ran):
    return {name: figure for name, (figure, _) in exploding.EXPERIMENT.figures(ran[0]).items()}


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize("seed", range(5))
def test_training_diverges_in_its_first_steps_without_a_remedy(seed):
    setup = exploding.VARIANTS[PLAIN].but(data="digits", epochs=1, seed=seed)
    trial, record = train(setup, record=True)
    assert "infinity" in trial.stopped or "NaN" in trial.stopped
    assert len(record.statistics.series("dense1", "weight_grad", "rms")[0]) < 10
    assert record.net is None


def test_clipped_gradients_and_he_weights_do_not_diverge(ran):
    trials = ran[0].trials
    assert [trial.stopped is None for trial in trials[PLAIN]] == [False, False]
    for label in (CLIPPED, HE):
        for trial in trials[label]:
            assert trial.stopped is None
            assert trial.curves["val_loss"][-1] < trial.curves["val_loss"][0]
            assert trial.curves["val_accuracy"][-1] > 0.4  # of ten digits


def test_variants_differ_only_in_clipping_and_the_size_of_weights():
    plain = exploding.VARIANTS[PLAIN]
    assert exploding.VARIANTS[CLIPPED] == plain.but(clip_norm=1.0)
    assert exploding.VARIANTS[HE] == plain.but(weight_scale=1.0)
    assert plain.clip_norm is None
    assert plain.weight_scale > 1


def test_the_gradient_grows_by_the_scale_in_each_layer(ran):
    for label, factor in ((PLAIN, 1.4), (HE, 1.0)):
        first, last = [
            np.mean([np.log(trial.start["dense"][k]["dy_rms"]) for trial in ran[0].trials[label]])
            for k in (0, 9)
        ]
        assert np.exp((first - last) / 9) == pytest.approx(factor, rel=0.1)


def test_the_table_has_the_trials_gradients_and_their_growth(ran):
    results, _ = ran
    text = exploding.EXPERIMENT.text(results).split("RMS of dW, last layer")[1]
    for label, trials in results.trials.items():
        (line,) = (line for line in text.splitlines() if line.startswith(f"| {label} "))
        reported = [float(cell) for cell in line.split("|")[2:6]]
        dw, dy = (
            np.exp(np.mean([np.log([row[kind] for row in t.start["dense"]]) for t in trials], 0))
            for kind in ("weight_grad_rms", "dy_rms")
        )
        assert reported[:2] == pytest.approx([dw[0], dw[-1]], rel=0.01)
        assert reported[2] == pytest.approx((dy[0] / dy[9]) ** (1 / 9), rel=1e-3)
        assert reported[3] == pytest.approx(trials[0].setup.weight_scale, rel=0.02)


def test_the_report_has_the_first_divergence(ran):
    results, _ = ran
    text = exploding.EXPERIMENT.text(results)
    assert re.search(rf"{PLAIN}: 2 of 2 diverged, the first at step \d+ \(epoch 1\): layer", text)
    assert f"{HE}: " not in text


def test_first_steps_of_all_networks_share_the_y_axis(figures):
    panels = figures["first_steps"].axes
    assert [ax.get_title() for ax in panels] == [f"{PLAIN}, diverged", CLIPPED, HE]
    assert panels[0].get_ylabel() == "log₁₀ RMS of gradient of weight"
    low, high = panels[0].get_ylim()
    for ax in panels:
        assert ax.get_xlabel() == "step"
        assert ax.get_ylim() == (low, high)
        drawn = np.concatenate([line.get_ydata() for line in ax.lines if len(line.get_ydata())])
        assert ((low <= drawn) & (drawn <= high)).all()
    lengths = [len(ax.lines[0].get_ydata()) for ax in panels]
    assert lengths[0] < 10
    assert lengths[1] == lengths[2] == -(-1437 // 100)  # all batches of the digits


def test_gradients_by_layer_have_theory_and_one_line_for_clipped_and_plain(ran, figures):
    (ax,) = figures["by_layer"].axes
    assert (ax.get_xlabel(), ax.get_yscale()) == ("layer", "log")
    assert ax.get_ylabel() == "RMS of gradient dy\nbefore training"
    assert legend(ax)[:3] == [PLAIN, HE, "theory"]
    solid = next(line for line in ax.lines if line.get_label() == PLAIN).get_ydata()
    dashed = next(line for line in ax.lines if line.get_linestyle() == "--").get_ydata()
    trials = ran[0].trials[PLAIN]
    rms = [np.log([row["dy_rms"] for row in trial.start["dense"]]) for trial in trials]
    assert solid == pytest.approx(np.exp(np.mean(rms, axis=0)))
    assert dashed[-1] == pytest.approx(solid[-1])
    assert dashed[:9] / dashed[1:10] == pytest.approx([1.4] * 9, rel=0.02)


def test_learning_curves_count_diverged_trainings(figures):
    for metric in ("accuracy", "loss"):
        (ax,) = figures[metric].axes
        assert legend(ax)[0].replace("\n", " ") == f"{PLAIN} (2 of 2 diverged)"
        assert legend(ax)[1:3] == [CLIPPED, HE]
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", metric)


def test_the_report_names_every_figure_and_each_is_there(ran):
    results, out = ran
    text = (out / "report.md").read_text()
    named = re.findall(r"!\[.*\]\((.+)\.png\)", text)
    assert set(named) == {"first_steps", "by_layer", "accuracy", "loss"}
    for name in named:
        assert (out / f"{name}.png").stat().st_size > 5000
    assert exploding.EXPERIMENT.text(results) in text
