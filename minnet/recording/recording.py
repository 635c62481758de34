"""What the two probes that look on share: whom they look at, when, and how a file keeps it.

A probe is handed to `minnet.fit`, which calls `observe` at every step after the backward pass and
before the optimizer moves anything. It reads the buffers where they are and writes nowhere, so that
training computes the same bits with and without it. It keeps numbers told of what it saw, and of a
weight whose update is wanted a copy until it has moved. What one probe keeps in bounded memory is
the business of the class that inherits this one.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from time import perf_counter
from typing import Any, ClassVar, Generic, Self, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from minnet.archives import DAMAGE
from minnet.layers.sequential import Sequential
from minnet.recording.files import Key, States, read_recording, write_recording
from minnet.recording.sources import Sight, Watch, Weights, find_sources, unknown_kinds
from minnet.recording.timeline import Timeline
from minnet.validation import Array, count, in_range

Kept = TypeVar("Kept", bound=Timeline)  # what a layer and kind is kept in, alone or with others
DEFAULT_KINDS = ("y", "dy", "weight", "weight_grad", "update")


class Recording(ABC, Generic[Kept]):
    """A probe that reads the kinds asked for, layer by layer, at every ``every``-th step.

    Kinds are the buffers ``y``, ``dy`` and ``dx``, a parameter's name such as ``weight`` for its
    value, the name with ``_grad`` for its gradient, and ``update`` for what the optimizer's step
    changed in ``weight``. A layer that lacks a kind is passed over.
    """

    _format: ClassVar[str]  # what a file of such a probe calls itself

    def __init__(
        self,
        kinds: Sequence[str],
        every: int,
        layers: Sequence[str] | None,
        max_values: int | None,
        budget: float | None,
    ) -> None:
        who = type(self).__name__
        self._kinds = _names(kinds, who, "kinds")
        self._every = count(every, who, "every")
        self._only = None if layers is None else _names(layers, who, "layers")
        self._max_values = None if max_values is None else count(max_values, who, "max_values")
        self._budget = None if budget is None else _share(budget, who)
        self._timelines: dict[Key, Kept] = {}
        self._last_step, self._observed = -1, 0
        self._awaited: object = None  # the mark of the weights whose update is not yet known
        self._warm = False  # whether it has looked: the first look may have to compile
        self._rests_until = 0.0  # by the clock, in seconds
        # A probe holds on to no network, nor to arrays of one: what it watches goes with it.
        self._watches: WeakKeyDictionary[Sequential, Watch] = WeakKeyDictionary()

    def __getstate__(self) -> dict[str, Any]:
        """A deep copy or a pickle takes along what was recorded, not the networks watched."""
        return self.__dict__ | {
            "_watches": None, "_awaited": None, "_warm": False, "_rests_until": 0.0
        }  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _watches=WeakKeyDictionary())

    # What a probe does with what it sees.

    def _settings(self) -> dict[str, Any]:
        """Return the arguments of the constructor, as JSON has them."""
        only = None if self._only is None else list(self._only)
        return {
            "kinds": list(self._kinds), "every": self._every, "layers": only,
            "budget": self._budget,
        }  # fmt: skip

    @abstractmethod
    def _timeline(self, key: Key) -> Kept:
        """Return an empty timeline for this layer and kind."""

    @abstractmethod
    def _look(self, step: int, seen: Sight) -> None:
        """Record of each array those of its rows whose turn it is."""

    @abstractmethod
    def _look_at_updates(self, step: int, weights: Weights) -> None:
        """Record how weights were changed, by their rows that are looked at."""

    @abstractmethod
    def _state(self, key: Key) -> dict[str, Array]:
        """Return the arrays that a file keeps of this layer and kind."""

    @abstractmethod
    def _restore(self, key: Key, state: dict[str, Array]) -> None:
        """Take over what `_state` returned, or raise one of DAMAGE."""

    # Recording.

    def observe(self, step: int, net: Sequential) -> None:
        """Look at net at this step, if its turn has come.

        An update is known only when the next step begins: it is recorded then, under the step that
        made it. So the update of the very last step of all is not in the record.

        Raises
        ------
        ValueError
            If a step does not come after the last one observed, the network has not the layers or
            kinds that were asked for, or is another one than that whose update is awaited.
        TypeError
            If net is no Sequential, or step no whole number.
        """
        began = perf_counter()
        if not isinstance(net, Sequential):
            raise TypeError(
                f"{type(self).__name__}: expected a Sequential, got {type(net).__name__}"
            )
        self._check_step(step)
        if not self._observed:
            self._check_names(net)
        watched = self._watches.get(net)
        if watched is None:
            sources = find_sources(net, self._kinds, self._only)
            watched = self._watches[net] = Watch(sources, self._max_values)
        awaits = self._awaited is not None
        looks = not step % self._every and began >= self._rests_until
        if awaits:
            self._record_updates(watched.weights())
        if looks:
            self._record(step, watched)
        if self._budget is not None and (awaits or looks):
            self._rest(began, self._budget)

    def _rest(self, began: float, budget: float) -> None:
        """Let training have its share of the time before the next look."""
        if self._warm:
            took = perf_counter() - began
            self._rests_until = max(self._rests_until, began) + took / budget
        self._warm = True

    def _record(self, step: int, watched: Watch) -> None:
        seen, weights = watched.look(), watched.weights()
        if seen.sources:
            self._look(step, seen)
        if weights.sources:
            weights.keep(self._observed)
            self._awaited = weights.mark
        self._last_step = step
        self._observed += 1

    def _record_updates(self, weights: Weights) -> None:
        """Compare the weights with those of the step observed before."""
        if weights.mark is not self._awaited:
            raise ValueError(
                f"{type(self).__name__}: the weights are not those of the step before, whose "
                "update is awaited; a probe records one network, so make a new one for the next"
            )
        self._awaited = None
        weights.compare()
        self._look_at_updates(self._last_step, weights)

    def _check_step(self, step: int) -> None:
        if isinstance(step, bool) or not isinstance(step, int | np.integer):
            raise TypeError(f"{type(self).__name__}: step must be a whole number, got {step!r}")
        if step <= self._last_step or step < 0:
            raise ValueError(
                f"{type(self).__name__}: step {step} came after step {self._last_step}; a probe "
                "records one run, so make a new one for the next, and give each train_step its "
                "number, step=..."
            )

    def _check_names(self, net: Sequential) -> None:
        who, layers = type(self).__name__, dict(net.walk())
        unknown = [name for name in self._only or () if name not in layers]
        if unknown:
            raise ValueError(f"{who}: no layers {unknown}; there are {', '.join(layers)}")
        unknown, there = unknown_kinds(net, self._kinds)
        if unknown:
            raise ValueError(f"{who}: no layer has {unknown}; there are {', '.join(there)}")

    def _extend(self, key: Key) -> Kept:
        """Return the timeline of a layer and kind, a new one where there is none yet."""
        if key not in self._timelines:
            self._timelines[key] = self._timeline(key)
        return self._timelines[key]

    # Reading.

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that were asked for."""
        return self._kinds

    @property
    def every(self) -> int:
        """Steps whose number is a multiple of this are observed."""
        return self._every

    @property
    def observed(self) -> int:
        """How many steps were observed."""
        return self._observed

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of which something was recorded."""
        return tuple(dict.fromkeys(name for name, _ in self._timelines))

    def layers_of(self, kind: str) -> tuple[str, ...]:
        """Return the layers of which this kind was recorded, in the order of the network."""
        return tuple(name for name, its_kind in self._timelines if its_kind == kind)

    def steps(self, layer: str, kind: str) -> Array:
        """Return the first and the last step of each slot, (slots, 2)."""
        return self._found(layer, kind).steps.copy()

    def _found(self, layer: str, kind: str) -> Kept:
        found = self._timelines.get((layer, kind))
        if found is None:
            who = type(self).__name__
            there = [its_kind for name, its_kind in self._timelines if name == layer]
            if there:
                raise KeyError(f"{who}: no {kind!r} of {layer!r}, only {', '.join(there)}")
            raise KeyError(
                f"{who}: no layer {layer!r}; there are {', '.join(self.layers) or 'none'}"
            )
        return found

    def __repr__(self) -> str:
        seen = f"{self._observed} steps of {len(self.layers)} layers"
        return f"{type(self).__name__}({', '.join(self._kinds)}; {seen})"

    # Files.

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the recording to a file, an npz without pickle: all of it or nothing.

        Parameters
        ----------
        path : str or path
            Used as given: no suffix is added, but ``.npz`` is the usual one.

        Raises
        ------
        OSError
            If the disk is full or does not let us write; FileNotFoundError if there is no folder.
        """
        states = {key: self._state(key) for key in self._timelines}
        write_recording(path, self._format, self._settings(), states)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the recording in a file of `save`'s.

        It can be read, and goes on being recorded where a run goes on. The update that was not yet
        known when it was saved is not in it.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged, of another kind, or from a later minnet.
        """
        try:
            settings, states = read_recording(path, cls._format, cls.__name__)
            return cls._restored(settings, states)
        except FileNotFoundError:
            raise
        except (*DAMAGE, TypeError) as error:
            raise ValueError(
                f"{cls.__name__}.load: {path} was refused: {error or 'it ends too early'}; take "
                "another copy or record again"
            ) from error

    @classmethod
    def _restored(cls, settings: dict[str, Any], states: States) -> Self:
        probe = cls(**settings)
        for key, state in states.items():
            if key[1] not in probe.kinds:
                raise ValueError(f"there is a series of {key}, but kinds are {probe.kinds}")
            timeline = probe._extend(key)
            probe._restore(key, state)
            probe._last_step = max(probe._last_step, int(timeline.steps[-1, -1]))
            probe._observed = max(probe._observed, timeline.observed)
        return probe


def _share(budget: Any, who: str) -> float:
    return in_range(budget, who, "budget", lambda v: 0 < v < 1, "a share of the time, in (0, 1)")


def _names(given: Any, who: str, argument: str) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise TypeError(f"{who}: {argument} must be names, at least one, got {given!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"{who}: {argument} has a name twice: {given!r}")
    return names
