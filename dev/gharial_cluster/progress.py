"""Progress lines with the time left: stages whose durations are known from the last time.

    progress = Progress()
    progress.expect("nodes", "Start two nodes", seconds=12)
    with progress.stage("nodes"):
        ...

On a terminal the line of the running stage is kept up to date; elsewhere a stage is one line when it
starts, one every half minute, and one when it ends. How long each stage took is remembered in the cache,
so the second estimate is this machine's own.
"""

import contextlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from gharial_cluster.files import write_atomically
from gharial_cluster.paths import cache_root

_LIVE_SECONDS = 1.0
_QUIET_SECONDS = 30.0
_TRUSTED_FRACTION = 0.05  # below this a stage's own account says nothing about its end


@dataclass
class Stage:
    """One announced stage: `seconds` is what it is expected to take in all."""

    title: str
    seconds: float
    started: float | None = None
    done: bool = False
    fraction: float = 0.0

    def advance(self, fraction: float) -> None:
        """Says how much of the stage is done, from 0 to 1."""
        self.fraction = min(max(fraction, self.fraction), 1.0)

    def left(self, now: float) -> float:
        """Seconds until it ends, by its own account when it gives one."""
        if self.done:
            return 0.0
        if self.started is None:
            return self.seconds
        spent = now - self.started
        if self.fraction > _TRUSTED_FRACTION:
            return spent / self.fraction * (1 - self.fraction)
        return max(self.seconds - spent, 0.0)


class Progress:
    """The stages of one long command, numbered as they begin; more may be announced while it runs."""

    def __init__(self, stream: TextIO | None = None, remembered: Path | None = None) -> None:
        """Writes to `stream` (default: standard error); durations live in `remembered` (default: the cache)."""
        self._stream = stream or sys.stderr
        self._remembered = remembered or cache_root() / "durations.json"
        self._durations = _read(self._remembered)
        self._stages: dict[str, Stage] = {}
        self._live = self._stream.isatty()

    def expect(self, key: str, title: str, seconds: float) -> None:
        """Announces a stage that will come; `seconds` is the guess for a machine that never did it."""
        self._stages.setdefault(key, Stage(title, self._durations.get(key, seconds)))

    @property
    def seconds_left(self) -> float:
        """Estimate until the last announced stage ends."""
        now = time.monotonic()
        return sum(stage.left(now) for stage in self._stages.values())

    @contextlib.contextmanager
    def stage(self, key: str) -> Iterator[Stage]:
        """Runs one stage; its duration is remembered when it succeeds."""
        stage = self._stages.setdefault(key, Stage(key, self._durations.get(key, 0.0)))
        stage.started = time.monotonic()
        number = sum(known.started is not None for known in self._stages.values())
        head = f"[{number}/{len(self._stages)}] {stage.title}"
        self._write(f"{head} ({time_left(self.seconds_left)})", last=False)
        ended = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(head, stage.started, ended), daemon=True)
        ticker.start()
        outcome = "stopped after"
        try:
            yield stage
            stage.done, outcome = True, "done in"
        finally:
            ended.set()
            ticker.join()
            took = time.monotonic() - stage.started
            self._write(f"{head}: {outcome} {took:.1f} s", last=True)
        self._remember(key, took)

    def note(self, text: str) -> None:
        """A line of its own, between stages or within one."""
        self._write(f"    {text}", last=True)

    def _tick(self, head: str, started: float, ended: threading.Event) -> None:
        while not ended.wait(_LIVE_SECONDS if self._live else _QUIET_SECONDS):
            spent = time.monotonic() - started
            self._write(f"{head} … {spent:.0f} s ({time_left(self.seconds_left)})", last=False)

    def _write(self, line: str, last: bool) -> None:
        if self._live:
            self._stream.write(f"\r\x1b[K{line}" + ("\n" if last else ""))
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def _remember(self, key: str, seconds: float) -> None:
        # Read again: another command may have written since.
        known = _read(self._remembered) | {key: round(seconds, 1)}
        with contextlib.suppress(OSError):
            write_atomically(self._remembered, json.dumps(known, indent=1, sort_keys=True))


def time_left(seconds: float) -> str:
    """The sentence for `seconds`, in the unit that fits."""
    if seconds >= 90:
        return f"about {seconds / 60:.0f} min left"
    return f"about {max(5, 5 * round(seconds / 5))} s left"


def _read(path: Path) -> dict[str, float]:
    try:
        content: dict[str, float] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content
