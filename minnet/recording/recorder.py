"""Base class of the probes that record a training run.

`minnet.fit` calls `observe` at every step, after the backward pass and before the optimizer's step.
A recorder reads the arrays of the network in place and never writes to them, so the results of
training are bitwise equal with and without it. It stores counts or statistics and, until the next
step, copies of the weights whose updates are recorded.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, ClassVar, Self
from weakref import WeakKeyDictionary

import numpy as np

from minnet.files import opened_file, write_file
from minnet.layers.sequential import Sequential
from minnet.recording.series import RUN, Key, Series
from minnet.recording.taps import View, find_taps
from minnet.validation import Array, count, in_range

DEFAULT_KINDS = ("y", "dy", "weight", "weight_grad", "update")
VERSION = 3  # of the files


class Recorder(ABC):
    """Base class of `HistogramProbe` and `StatisticsProbe`.

    Attributes
    ----------
    kinds : tuple of str
        The requested kinds of arrays.
    every : int
        Steps whose number is a multiple of this are observed.
    observed : int
        Number of observed steps.
    """

    _format: ClassVar[str]  # name of the format of the files
    _series: Series
    _max_values: int | None = None  # largest number of values of an array to read

    def __init__(
        self,
        kinds: Sequence[str],
        every: int,
        layers: Sequence[str] | None,
        budget: float | None,
        settings: Mapping[str, Any],
    ) -> None:
        where = type(self).__name__
        self.kinds = _names(kinds, where, "kinds")
        self.every = count(every, where, "every")
        self.observed = 0
        self._only = None if layers is None else _names(layers, where, "layers")
        if budget is not None:
            text = "a share of the time, in (0, 1)"
            budget = in_range(budget, where, "budget", lambda v: 0 < v < 1, text)
        self._budget = budget
        # The arguments of the constructor as JSON values, for the files.
        general = {"kinds": self.kinds, "every": self.every, "layers": self._only, "budget": budget}
        self._settings = general | dict(settings)
        self._last_step = -1
        self._forget_network()

    def _forget_network(self) -> None:
        # Weak references, so that a network and its arrays can be freed.
        self._views: WeakKeyDictionary[Sequential, tuple[View, View]] = WeakKeyDictionary()
        self._awaits_update = False  # whether the last update is not recorded yet
        self._timed = False  # the first observation is not timed, because it may compile kernels
        self._skips_until = 0.0  # time of perf_counter in seconds; steps before it are skipped

    def __getstate__(self) -> dict[str, Any]:
        """Return the recording without the networks, for a deep copy or a pickle."""
        return {name: value for name, value in vars(self).items() if name != "_views"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget_network()

    # Hooks of the subclasses.

    @abstractmethod
    def _record(self, net: Sequential, view: View) -> None:
        """Record every stride-th row of the arrays in view."""

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
        ValueError
            If step is not greater than the last observed one, if the network lacks the requested
            layers or kinds, or if the update of another network is still to be recorded.
        TypeError
            If net is not a Sequential, or step is not a whole number.
        """
        began = perf_counter()
        self._check_step(step, net)
        arrays, weights = self._views.get(net) or self._find_views(net)
        awaited, due = self._awaits_update, not step % self.every and began >= self._skips_until
        if awaited:
            weights.update()
            if weights.copies is None:
                raise ValueError(
                    f"{type(self).__name__}: expected the network of the last step, whose update "
                    "is awaited; a probe records one network, so create another for the next one"
                )
            self._awaits_update = False
            self._series.note(self._last_step, weights.places)
            self._record_updates(weights)
        if due:
            arrays.update()
            if arrays.places is None:
                arrays.places = self._series.add_keys([RUN, *(tap.key for tap in arrays.taps)])
            self._series.begin()
            self._series.note(step, arrays.places)
            self._record(net, arrays)
            if "update" in self.kinds:
                weights.update()
                if weights.places is None:
                    weights.places = self._series.add_keys(tap.key for tap in weights.taps)
                weights.keep(self.observed)
                self._awaits_update = bool(weights.taps)
            self._last_step = step
            self.observed += 1
        if self._budget is not None and (awaited or due):
            if self._timed:
                took = perf_counter() - began
                self._skips_until = max(self._skips_until, began) + took / self._budget
            self._timed = True

    def _check_step(self, step: int, net: Sequential) -> None:
        where = type(self).__name__
        if not isinstance(net, Sequential):
            raise TypeError(f"{where}: expected a Sequential, got {type(net).__name__}")
        if not isinstance(step, int | np.integer):
            raise TypeError(f"{where}: expected step as a whole number, got {step!r}")
        if step <= self._last_step or step < 0:
            raise ValueError(
                f"{where}: expected a step after {self._last_step}, got {step}; create a probe for "
                "each run, and pass step= to train_step"
            )

    def _find_views(self, net: Sequential) -> tuple[View, View]:
        """Return views of the arrays to record, and of the weights whose updates are recorded."""
        taps = find_taps(net, self.kinds, self._only, type(self).__name__)
        self._series.add_keys(tap.key for tap in taps)
        arrays = [tap for tap in taps if tap.key[1] != "update"]
        weights = [tap for tap in taps if tap.key[1] == "update"]
        self._views[net] = View(arrays, self._max_values), View(weights, self._max_values)
        return self._views[net]

    # Reading.

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the recorded layers."""
        return tuple(dict.fromkeys(name for name, _ in self._series.recorded()))

    def layers_of(self, kind: str) -> tuple[str, ...]:
        """Return the layers with a recording of this kind, in the order of the network."""
        return tuple(name for name, other in self._series.recorded() if other == kind)

    def steps(self, layer: str, kind: str) -> Array:
        """Return the first and the last step of each slot, (slots, 2)."""
        return self._series.steps(self._key(layer, kind))

    def _key(self, layer: str, kind: str) -> Key:
        recorded = self._series.recorded()
        if (layer, kind) not in recorded:
            where = type(self).__name__
            kinds = [other for name, other in recorded if name == layer]
            if kinds:
                raise KeyError(f"{where}: no {kind!r} of {layer!r}, only {', '.join(kinds)}")
            raise KeyError(
                f"{where}: no layer {layer!r}; there are {', '.join(self.layers) or 'none'}"
            )
        return layer, kind

    def __repr__(self) -> str:
        observed = f"{self.observed} steps of {len(self.layers)} layers"
        return f"{type(self).__name__}({', '.join(self.kinds)}; {observed})"

    # Files.

    def _state(self) -> dict[str, Array]:
        """Return the arrays to write to a file."""
        return self._series.state()

    def _restore(self, state: dict[str, Array]) -> None:
        """Restore what `_state` returned."""
        self._series.restore(state)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the recording to a file, completely or not at all, as `minnet.save` does.

        Raises
        ------
        OSError
            If the file cannot be written; FileNotFoundError if the folder does not exist.
        """
        keys = {str(place): key for key, place in self._series.keys.items()}
        contents = {"settings": self._settings, "keys": keys}
        write_file(path, self._format, VERSION, contents, self._state())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the recording in a file that `save` wrote.

        The recording can be continued together with the run. An update that was not yet known when
        the recording was saved is missing.

        Raises
        ------
        FileNotFoundError
            If the file does not exist.
        ValueError
            If the file is damaged, or of another format or version.
        """
        where = f"{cls.__name__}.load"
        with opened_file(path, where, cls._format, VERSION) as (manifest, state):
            probe = cls(**manifest["settings"])
            probe._series.add_keys((layer, kind) for layer, kind in manifest["keys"].values())
            probe._restore(state)
            observed, steps = probe._series.observed(RUN), probe._series.steps(RUN)
            probe.observed = int(observed.sum())
            probe._last_step = int(steps[-1, 1]) if len(steps) else -1
        return probe


def _names(given: Any, where: str, argument: str) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise TypeError(f"{where}: {argument}: expected at least one name, got {given!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"{where}: {argument}: expected each name once, got {given!r}")
    return names
