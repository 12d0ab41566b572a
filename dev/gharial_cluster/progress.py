"""Progress lines with the time left: stages whose durations are known from the last time.

    progress = Progress()
    progress.expect("nodes", "Start two nodes", seconds=12)
    with progress.stage("nodes"):
        ...

On a terminal the line of the running stage is kept up to date; elsewhere every stage is one line when it
starts and one when it ends. How long each stage took is remembered in the cache, so the second estimate
is this machine's own.
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

_REFRESH_SECONDS = 1.0


@dataclass
class _Stage:
    title: str
    seconds: float
    done: bool = False


class Progress:
    """Stages of one long command. Safe to use from several threads, one stage at a time each."""

    def __init__(self, stream: TextIO | None = None, remembered: Path | None = None) -> None:
        """Writes to `stream` (default: standard error); durations live in `remembered` (default: the cache)."""
        self._stream = stream or sys.stderr
        self._remembered = remembered or cache_root() / "durations.json"
        self._durations = _read(self._remembered)
        self._stages: dict[str, _Stage] = {}
        self._started = time.monotonic()
        self._live = self._stream.isatty()

    def expect(self, key: str, title: str, seconds: float) -> None:
        """Announces a stage that will come; `seconds` is the guess for a machine that never did it."""
        self._stages.setdefault(key, _Stage(title, self._durations.get(key, seconds)))

    def drop(self, key: str) -> None:
        """Says that an announced stage is not needed."""
        self._stages.pop(key, None)

    @property
    def seconds_left(self) -> float:
        """Estimate for all announced stages that are not done, the running ones in full."""
        return sum(stage.seconds for stage in self._stages.values() if not stage.done)

    @contextlib.contextmanager
    def stage(self, key: str) -> Iterator[None]:
        """Runs one announced stage."""
        stage = self._stages.setdefault(key, _Stage(key, self._durations.get(key, 0.0)))
        started = time.monotonic()
        ended = threading.Event()
        number = list(self._stages).index(key) + 1
        head = f"[{number}/{len(self._stages)}] {stage.title}"
        self._write(f"{head} ({_left(self.seconds_left)})", last=False)
        ticker = threading.Thread(target=self._tick, args=(head, started, ended), daemon=True)
        if self._live:
            ticker.start()
        try:
            yield
        except BaseException:
            ended.set()
            self._write(f"{head}: failed after {time.monotonic() - started:.0f} s", last=True)
            raise
        ended.set()
        took = time.monotonic() - started
        stage.done = True
        self._remember(key, took)
        self._write(f"{head}: {took:.1f} s", last=True)

    def note(self, text: str) -> None:
        """A line of its own, between stages or within one."""
        self._write(f"    {text}", last=True)

    def _tick(self, head: str, started: float, ended: threading.Event) -> None:
        while not ended.wait(_REFRESH_SECONDS):
            spent = time.monotonic() - started
            left = max(self.seconds_left - spent, 0.0)
            self._write(f"{head} … {spent:.0f} s ({_left(left)})", last=False)

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


def _left(seconds: float) -> str:
    """ "about 3 min left", in the unit that fits."""
    if seconds >= 90:
        return f"about {seconds / 60:.0f} min left"
    return f"about {max(5, round(seconds / 5) * 5)} s left" if seconds > 0 else "time unknown"


def _read(path: Path) -> dict[str, float]:
    try:
        content: dict[str, float] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content
