"""Base class of the probes that record a training run.

`minnet.fit` calls `observe` at every step, after the backward pass and before the optimizer's step.
A recorder reads the arrays of the network in place and never writes to them, so the results of
training are bitwise equal with and without it.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import zip_longest
from time import perf_counter
from typing import Any, ClassVar, NamedTuple, Self
from weakref import WeakKeyDictionary

import numpy as np

from minnet.files import opened_file, write_file
from minnet.history import EPOCH_METRICS, History
from minnet.layers.sequential import Sequential
from minnet.recording.series import LAST, MOST, OBSERVED, Series, State, checked, require
from minnet.recording.taps import Key, LayerInfo, View, describe_layers, find_nonfinite, find_taps
from minnet.validation import Array, as_names, check_instance, count, in_range, one_of, shown

DEFAULT_KINDS = ("y", "dy", "weight", "weight_grad", "update")
RUN: Key = ("", "run")  # numbers of the whole run
OF_PROCESS = {"_views", "_awaits_update", "_timed", "_skips_until"}  # not part of a copy
VERSION = 4  # of the files; version 3 has neither network nor failure, epochs and units


class Failure(NamedTuple):
    """The step at which training stopped, because a value was not finite.

    ``layer`` and ``kind`` locate the first array of that step that holds NaN or infinity: the
    parameters and outputs in the order of the forward pass, then the gradients in the order of the
    backward pass. If all arrays are finite, the loss is not: layer is "" and kind is "loss".
    """

    step: int
    layer: str
    kind: str
    message: str


class Recorder(ABC):
    """Base class of `HistogramProbe` and `StatisticsProbe`.

    Attributes
    ----------
    kinds, every
        As in the constructor.
    observed : int
        Number of observed steps.
    network : tuple of LayerInfo
        The layers at the first observed step; empty in the files of older versions.
    rows : int
        Number of rows of the batch at the first observed step, or 0 before it.
    failure : Failure or None
        Where `minnet.fit` stopped because a value was not finite.
    """

    _format: ClassVar[str]  # name of the format of the files
    _max_values: int | None = None  # largest number of values of an array to read
    _awaits_update = False  # whether the last update is not recorded yet
    _timed = False  # the first observation is not timed, because it may compile kernels
    _skips_until = 0.0  # time of perf_counter in seconds; steps before it are skipped

    def __init__(
        self,
        kinds: Sequence[str],
        every: int,
        layers: Sequence[str] | None,
        budget: float | None,
        *,
        settings: Mapping[str, Any],
        series: Series,
    ) -> None:
        where = type(self).__name__
        self.kinds = _names(kinds, where, "kinds")
        self.every = count(every, where, "every")
        self.observed = 0
        self._only = None if layers is None else _names(layers, where, "layers")
        if budget is not None:
            budget = in_range(budget, where, "budget", lambda v: 0 < v < 1, "in (0, 1)")
        self._budget = budget
        # The arguments of the constructor as JSON values, for the files.
        general = {"kinds": self.kinds, "every": self.every, "layers": self._only, "budget": budget}
        self._settings = general | dict(settings)
        self._keys: dict[Key, int] = {RUN: 0}
        self._series = series
        self._series.add_keys(1)
        self._last_step = -1
        self.network: tuple[LayerInfo, ...] = ()
        self.rows = 0
        self.failure: Failure | None = None
        self._history: History | None = None  # of the `fit` that called `observe`
        self._epochs: Array = np.zeros((0, 1 + len(EPOCH_METRICS)))  # of a file, as `_epoch_table`

    @cached_property
    def _views(self) -> WeakKeyDictionary[Sequential, tuple[View, View]]:
        """Views by network; the references are weak, so that a network can be freed."""
        return WeakKeyDictionary()

    def __getstate__(self) -> dict[str, Any]:
        """Return the recording without the networks, for a deep copy or a pickle."""
        return {name: value for name, value in vars(self).items() if name not in OF_PROCESS}

    @abstractmethod
    def _record(self, step: int, net: Sequential, view: View) -> None:
        """Record the arrays in view; of each, only the rows given by its stride (see `View`)."""

    @abstractmethod
    def _record_updates(self, weights: View) -> None:
        """Record the changes of weights since the last observed step."""

    # Recording.

    def observe(self, step: int, net: Sequential) -> None:
        """Record the network, if this step is due.

        The update of a step is known only when the next step begins. It is recorded then, with the
        number of the step that made it. The update of the last step of a run is not recorded.

        Raises
        ------
        TypeError, ValueError
            If step is not a whole number greater than the last observed one, if net is not a
            Sequential with the requested layers and kinds, or if the update of another network is
            still to be recorded.
        """
        began = perf_counter()
        where = type(self).__name__
        check_instance(net, Sequential, where)
        if count(step, where, "step", least=0) <= self._last_step:
            raise ValueError(
                f"{where}: expected a step after {self._last_step}, got {step}; create a probe for "
                "each run, and pass step= to train_step"
            )
        arrays, weights = self._views.get(net) or self._find_views(net)
        awaited, due = self._awaits_update, not step % self.every and began >= self._skips_until
        if awaited:
            weights.update()
            if not weights.kept:
                raise ValueError(
                    f"{where}: expected the network of the last step, whose update is awaited, got "
                    "another one; create a probe for each network"
                )
            self._awaits_update = False
            self._record_updates(weights)
        if due:
            if net.history is not None and net.history.steps == step:  # not of an earlier fit
                self._history = net.history
            arrays.update()
            self._series.begin(step)
            self._record(step, net, arrays)
            if "update" in self.kinds:
                weights.update()
                weights.keep(self.observed)
                self._awaits_update = bool(weights.taps)
            self._last_step = step
            self.observed += 1
        if self._budget is not None and (awaited or due):
            if self._timed:
                took = perf_counter() - began
                self._skips_until = max(self._skips_until, began) + took / self._budget
            self._timed = True

    def end(self, run: Any, error: BaseException | None) -> None:
        """Set `failure` if the ``run`` of `minnet.fit` ended because a value was not finite."""
        if isinstance(error, FloatingPointError):
            key = find_nonfinite(run.net)
            self.failure = Failure(run.optimizer.steps, *key, str(error))

    def _find_views(self, net: Sequential) -> tuple[View, View]:
        """Return views of the arrays to record, and of the changes of weights."""
        taps = find_taps(net, self.kinds, self._only, type(self).__name__)
        for tap in taps:
            self._keys.setdefault(tap.key, len(self._keys))
        self._series.add_keys(len(self._keys))
        self.network, self.rows = describe_layers(net), len(net.y) if net.y is not None else 0
        weights = [tap for tap in taps if tap.key[1] == "update"]
        arrays = [tap for tap in taps if tap.key[1] != "update"]
        keys, most = self._keys, self._max_values
        self._views[net] = View(arrays, keys, most), View(weights, keys, most, changes=True)
        return self._views[net]

    # Reading.

    def _observed(self, index: int) -> bool:
        return bool(self._series.observed(index).any())

    def _recorded(self) -> list[Key]:
        return [key for key, index in self._keys.items() if key != RUN and self._observed(index)]

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the recorded layers."""
        return tuple(dict.fromkeys(name for name, _ in self._recorded()))

    def layers_of(self, kind: str) -> tuple[str, ...]:
        """Return the layers with a recording of this kind, in the order of the network."""
        return tuple(
            name for name, other in self._recorded() if isinstance(kind, str) and other == kind
        )

    def steps(self, layer: str, kind: str) -> Array:
        """Return the first and the last step of each slot in which this array existed, (n, 2)."""
        observed = self._series.observed(self._index(layer, kind))
        return self._series.steps()[observed, :OBSERVED]

    def epochs(self, name: str) -> tuple[Array, Array]:
        """Return the last step of each epoch, and a metric of the epoch, both (epochs,).

        The metric is "loss", "accuracy", "val_loss", "val_accuracy" or "lr" in the `History` of the
        `minnet.fit` that called the probe; another name raises ValueError. Epochs without it are
        omitted. The epochs of a loop of `minnet.train_step` are not known.
        """
        table = self._epoch_table()
        values = table[:, 1 + EPOCH_METRICS.index(one_of(name, EPOCH_METRICS, "epochs", ""))]
        known = ~np.isnan(values)
        return table[known, 0].astype(np.int64), values[known]

    def _epoch_table(self) -> Array:
        """Return a row for each epoch: its last step, and EPOCH_METRICS or nan."""
        history = self._history
        if history is None:
            return self._epochs
        columns = [getattr(history, name) for name in EPOCH_METRICS]
        ends = [steps - 1 for steps in history.epoch_steps]
        table = np.array([*zip_longest(ends, *columns, fillvalue=np.nan)])
        table = table.reshape(-1, 1 + len(columns))
        table = table[table[:, 0] >= 0]
        earlier = self._epochs[self._epochs[:, 0] < table[:, 0].min(initial=np.inf)]
        return np.concatenate([earlier, table])

    def _index(self, layer: str, kind: str) -> int:
        """Return the index of a key; raise KeyError if it was not observed."""
        known = isinstance(layer, str)
        index = self._keys.get((layer, kind)) if known and isinstance(kind, str) else None
        if index is not None and self._observed(index):
            return index
        kinds = [other for name, other in self._recorded() if known and name == layer]
        expected, got = f"a recorded layer ({', '.join(self.layers) or 'there is none yet'})", layer
        if kinds:
            expected, got = f"a recorded kind of {layer!r} ({', '.join(kinds)})", kind
        raise KeyError(f"{type(self).__name__}: expected {expected}, got {shown(got)}")

    def __repr__(self) -> str:
        observed = f"{self.observed} steps of {len(self.layers)} layers"
        return f"{type(self).__name__}({', '.join(self.kinds)}; {observed})"

    # Files.

    def _state(self) -> dict[str, Array]:
        """Return the arrays to write to a file."""
        series = self._series
        return {"steps": series.steps()[:, np.newaxis], "rows": series.rows}

    @abstractmethod
    def _restore(self, state: State) -> None:
        """Restore what `_state` returned; raise ValueError if it is impossible."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the recording to a compressed file; failures are handled as in `minnet.save`."""
        contents = {
            "settings": self._settings,
            "keys": {str(index): key for key, index in self._keys.items()},
            "network": self.network,
            "rows": self.rows,
            "failure": self.failure,
        }
        arrays = self._state() | {"epochs": self._epoch_table()}
        write_file(path, self._format, VERSION, contents, arrays, compressed=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the recording in a file that `save` wrote, which can be continued.

        An update that was not yet known when the recording was saved is missing. A file that is
        damaged, or of another format or version, raises ValueError.
        """
        where, versions = f"{cls.__name__}.load", (3, VERSION)
        with opened_file(path, where, cls._format, *versions, compressed=True) as (manifest, state):
            probe = cls(**manifest["settings"])
            keys = [(str(layer), str(kind)) for layer, kind in manifest["keys"].values()]
            require(keys[:1] == [RUN] and len(set(keys)) == len(keys), "different keys")
            probe._keys = {key: index for index, key in enumerate(keys)}
            probe._series.add_keys(len(keys))
            probe._restore(state)
            if "epochs" in state:
                shape, most = (None, probe._epochs.shape[1]), np.finfo(np.float64).max
                epochs = checked(state, "epochs", np.float64, shape, (-most, most))
                last = epochs[:, 0]
                ascending = (np.diff(last, prepend=-1) > 0).all() and (last == np.rint(last)).all()
                require(ascending and (last <= MOST).all(), "ascending last steps of the epochs")
                probe._epochs = epochs
            steps = probe._series.steps()
            probe.observed = int(steps[:, OBSERVED].sum())
            probe._last_step = int(steps[:, LAST].max(initial=-1))
            if manifest["version"] == VERSION:
                probe.network = tuple(LayerInfo(*layer) for layer in manifest["network"])
                probe.rows = count(manifest["rows"], where, "rows", least=0)
                probe.failure = manifest["failure"] and Failure(*manifest["failure"])
        return probe


def _names(given: Any, where: str, argument: str) -> tuple[str, ...]:
    names = as_names(given, where, argument)
    if not names or "" in names:
        raise TypeError(f"{where}: expected {argument} as at least one name, got {shown(given)}")
    if len(set(names)) < len(names):
        raise ValueError(f"{where}: expected each name once in {argument}, got {shown(given)}")
    return names
