"""Where one thread's processor time goes, by real timers around the real code.

Functions are wrapped while a measurement runs, and only then. A part's time is its own: what wrapped functions inside
it take is theirs. Processor time of the thread, not the clock on the wall: who else wants the core does not show.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Spot:
    """A function to time: `owner` (a class or module) and its name there, and the part it belongs to.

    area: what the functions inside it work for, unless they say so themselves; empty: that of the function around.
    """

    owner: Any
    name: str
    what: str
    area: str = ""


Part = tuple[str, str]
"""(area, what), such as ("encoder", "int8 products")."""


@dataclass
class _Running:
    part: Part
    began: int
    inside: int = 0


@dataclass
class Stopwatch:
    """Nanoseconds and calls of each part, in the thread that makes the first call.

    Where work goes in rounds, the first spot's call begins one: `whole` holds the rounds that are over, nothing of the
    one under way.
    """

    clock: Callable[[], int] = time.thread_time_ns
    nanoseconds: dict[Part, int] = field(default_factory=lambda: defaultdict(int))
    calls: dict[Part, int] = field(default_factory=lambda: defaultdict(int))
    whole: tuple[dict[Part, int], dict[Part, int]] = field(default_factory=lambda: ({}, {}))
    _running: list[_Running] = field(default_factory=list)
    _thread: int = 0
    _forget: bool = False

    def reset(self) -> None:
        """Forgets what was measured when the next round begins; may be called from any thread."""
        self._forget = True

    @contextmanager
    def around(self, spots: Sequence[Spot]) -> Iterator[None]:
        """Wraps the functions, and puts them back."""
        originals = [(spot, spot.owner.__dict__[spot.name]) for spot in spots]
        for spot, original in originals:
            setattr(spot.owner, spot.name, self._timed(spot, original, spot is spots[0]))
        try:
            yield
        finally:
            for spot, original in originals:
                setattr(spot.owner, spot.name, original)

    def _timed(self, spot: Spot, function: Callable[..., Any], begins: bool) -> Callable[..., Any]:
        def timed(*positional: Any, **named: Any) -> Any:
            thread = threading.get_ident()
            self._thread = self._thread or thread
            if thread != self._thread:
                return function(*positional, **named)
            if begins:
                self._begin_round()
            area = spot.area or (self._running[-1].part[0] if self._running else "")
            self._running.append(_Running((area, spot.what), self.clock()))
            try:
                return function(*positional, **named)
            finally:
                self._stop()

        return timed

    def _begin_round(self) -> None:
        if self._forget:
            self._forget = False
            self.nanoseconds.clear()
            self.calls.clear()
        self.whole = dict(self.nanoseconds), dict(self.calls)

    def _stop(self) -> None:
        ended = self._running.pop()
        taken = self.clock() - ended.began
        self.nanoseconds[ended.part] += taken - ended.inside
        self.calls[ended.part] += 1
        if self._running:
            self._running[-1].inside += taken
