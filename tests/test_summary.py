"""Table of a network: layers, output shapes and parameter counts, as text and HTML."""

import numpy as np

from minnet import BatchNorm, Dense, PReLU, ReLU, Residual, Sequential


def network(dtype=np.float32):
    layers = [("entry<1>", Dense(3, 40)), PReLU(), Residual(BatchNorm(40), ReLU()), Dense(40, 30)]
    return Sequential(layers, rng=0, dtype=dtype)


def test_every_layer_has_a_row_and_parameters_are_counted_once():
    summary = network().summary()
    assert summary.rows == (
        ("entry<1>", "Dense(3->40)", "(n, 40)", 160),
        ("prelu1", "PReLU()", "(n, 40)", 1),
        ("residual1", "Residual(BatchNorm(40), ReLU())", "(n, 40)", 0),
        ("residual1.batchnorm1", "BatchNorm(40)", "(n, 40)", 80),
        ("residual1.relu1", "ReLU()", "(n, 40)", 0),
        ("dense2", "Dense(40->30)", "(n, 30)", 1230),
    )
    assert type(summary.dtype) is str
    assert summary.total == sum(row[3] for row in summary.rows) == network().theta.size == 1471


def test_the_text_is_aligned_and_ends_with_the_total():
    lines = str(network().summary()).splitlines()
    assert lines[0].split() == ["name", "layer", "output", "parameters"]
    assert len({len(line) for line in lines[:8]}) == 1
    assert lines[7].endswith("1,230")
    assert lines[-1] == "1,471 parameters, 5.7 KiB of float32"
    assert str(network(np.float64).summary()).endswith("1,471 parameters, 11.5 KiB of float64")
    assert repr(network().summary()) == str(network().summary())


def test_the_html_has_the_same_table_with_escaped_names():
    html = network().summary()._repr_html_()
    assert html.count("<tr>") == html.count("</tr>") == 7
    assert "<th>name</th><th>layer</th><th>output</th><th>parameters</th>" in html
    assert html.count(">1,230</td></tr>") == 1
    assert "<td>entry&lt;1&gt;</td><td>Dense(3-&gt;40)</td><td>(n, 40)</td>" in html
    assert "1,471 parameters" in html


def test_a_network_without_parameters_and_width_has_a_table():
    summary = Sequential([ReLU()]).summary()
    assert summary.rows[0][0::3] == ("relu1", 0)
    assert "0 parameters, 0.0 KiB" in str(summary)
