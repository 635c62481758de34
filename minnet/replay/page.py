"""The replay page: one HTML file that replays a recorded training."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence
from importlib.resources import files
from string import Template
from typing import Any

from minnet.files import AnyPath, replacing
from minnet.history import History
from minnet.recording import HistogramProbe, StatisticsProbe
from minnet.replay.data import read_run
from minnet.replay.packing import pack

MOST_BYTES = 8_000_000
# In the order in which each may use the ones before it.
D3 = (
    "array", "color", "format", "interpolate", "time", "time-format", "path", "scale", "shape",
    "selection", "axis",
)  # fmt: skip
SCRIPTS = ("page.js", "views.js", "ridges.js")
POLICY = (
    "default-src 'none'; script-src {scripts}; style-src {style}; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)


class Replay:
    """A page that replays one or two recorded training runs; `minnet.replay` creates it.

    A notebook displays the page itself. The page is one HTML file, which needs no network.

    Attributes
    ----------
    title : str
        Heading of the page.
    html : str
        The page.
    """

    def __init__(self, title: str, runs: Sequence[dict[str, Any]]) -> None:
        self.title = title.encode("utf-8", "replace").decode()
        self._runs = list(runs)
        self._html = ""

    @property
    def html(self) -> str:
        """The page; ValueError is raised if it is larger than 8 MB."""
        if not self._html:
            self._html = _page(self.title, self._runs)
        return self._html

    def save(self, path: AnyPath) -> None:
        """Write the page to a file, completely or not at all, as `minnet.save` does.

        Raises
        ------
        OSError
            If the file cannot be written; FileNotFoundError if the folder does not exist.
        ValueError
            If the page is larger than 8 MB.
        """
        page = self.html.encode()
        with replacing(path, "Replay.save") as file:
            file.write(page)

    def _repr_html_(self) -> str:
        name = html.escape(self.title, quote=True)
        return (
            f'<iframe title="Replay: {name}" sandbox="allow-scripts" width="100%" height="900" '
            f'style="border: 0" srcdoc="{html.escape(self.html, quote=True)}"></iframe>'
            f"<p>Replay: {name}. If no page is shown above, trust this notebook, or write the page "
            "to a file with <code>.save(&quot;replay.html&quot;)</code>.</p>"
        )

    def __repr__(self) -> str:
        layers = " and ".join(str(len(run["layers"])) for run in self._runs)
        return f"Replay({self.title!r}; {layers} layers)"


def replay(
    histograms: HistogramProbe | None = None,
    statistics: StatisticsProbe | None = None,
    history: History | None = None,
    *,
    other: Replay | Sequence[Any] | None = None,
    diagnosis: Any = None,
    title: str = "",
) -> Replay:
    """Return a page that replays a recorded training step by step.

    The page shows the distributions of all layers, a map of layers and steps, loss and accuracy,
    update ratios, and the activity of units. A view without data is left out. Without
    ``statistics``, RMS and standard deviation are estimated from the histograms, whose bins are up
    to 25% wide.

    Parameters
    ----------
    histograms : HistogramProbe, optional
        Recording of the kinds ``y`` and ``dy``. With ``slots=256`` the page shows finer steps.
    statistics : StatisticsProbe, optional
        Recording of the same training.
    history : History, optional
        History of the training, for loss and accuracy on the validation rows.
    other : Replay or sequence, optional
        A second training to compare with: its replay, whose title names it, or a sequence of its
        histograms, statistics and history.
    diagnosis : Diagnosis, optional
        Its findings are listed and marked at their step and layer.
    title : str
        Heading of the page, and name of the training.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If nothing was recorded, or ``other`` already shows two training runs.

    Examples
    --------
    >>> import minnet, numpy as np
    >>> net = minnet.Sequential([minnet.Dense(3, 8), minnet.ReLU(), minnet.Dense(8, 1)], rng=0)
    >>> x = np.random.default_rng(0).normal(size=(64, 3))
    >>> probe = minnet.HistogramProbe(["y", "dy"], slots=256)
    >>> history = minnet.fit(net, x, x[:, :1], loss=minnet.MeanSquaredError(),
    ...                      optimizer=minnet.SGD(net, lr=0.1), epochs=5, batch_size=32,
    ...                      probes=[probe], rng=0)
    >>> page = replay(probe, history=history, title="A small network")
    >>> page
    Replay('A small network'; 3 layers)
    >>> page.save("page.html")  # doctest: +SKIP
    """
    if isinstance(other, list | tuple) and 1 <= len(other) <= 3:
        other = replay(*other)
    for name, value, expected in (
        ("histograms", histograms, HistogramProbe),
        ("statistics", statistics, StatisticsProbe),
        ("history", history, History),
        ("other", other, Replay),
        ("title", title, str),
    ):
        if not isinstance(value, expected) and (value is not None or name == "title"):
            raise TypeError(
                f"replay: expected {name} as {expected.__name__}, got {type(value).__name__}"
            )
    if diagnosis is not None and not hasattr(diagnosis, "findings"):
        raise TypeError(
            f"replay: expected diagnosis as a Diagnosis, got {type(diagnosis).__name__}; use "
            "doctor.diagnosis()"
        )
    kinds = {kind for probe in (histograms, statistics) if probe for kind in probe.kinds}
    findings = () if diagnosis is None else diagnosis.findings
    run = read_run(title, histograms, statistics, history, findings)
    if not run["layers"]:
        raise ValueError(
            "replay: expected a recording of at least one step, got none; pass the probe to fit: "
            "probes=[histograms]"
        )
    if not run["series"]:
        raise ValueError(
            f"replay: expected a recording of y or dy, got {', '.join(sorted(kinds))}; use "
            'HistogramProbe(["y", "dy"])'
        )
    if not isinstance(other, Replay):
        return Replay(title, [run])
    if len(other._runs) > 1:
        raise ValueError("replay: expected other as the replay of one training, got one of two")
    second = other._runs[0]
    run["label"] = run["label"] or "first run"
    second = {**second, "label": second["label"] or "second run"}
    return Replay(f"{run['label']} and {second['label']}", [run, second])


def _page(title: str, runs: Sequence[dict[str, Any]]) -> str:
    """Return the HTML of the page, or raise ValueError if it is too large."""
    folder = files("minnet.replay")
    d3 = "\n".join((folder / "d3" / f"d3-{name}.min.js").read_text("utf-8") for name in D3)
    style = (folder / "page.css").read_text("utf-8")
    script = "\n".join((folder / name).read_text("utf-8") for name in SCRIPTS)
    text, data = pack({"title": title, "runs": list(runs)})
    page = Template((folder / "page.html").read_text("utf-8")).substitute(
        policy=POLICY.format(scripts=f"{_hash(d3)} {_hash(script)}", style=_hash(style)),
        title=html.escape(title or "Replay of a training"),
        style=style,
        text=text,
        data=data,
        d3=d3,
        script=script,
    )
    if len(page) > MOST_BYTES:
        raise ValueError(
            f"replay: expected a page of at most {MOST_BYTES:,} bytes, got {len(page):,}; record "
            "fewer layers with HistogramProbe(..., layers=[...]), or fewer slots"
        )
    return page


def _hash(text: str) -> str:
    """Return the source expression of an inline script or style in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
