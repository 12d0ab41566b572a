"""One timer for all streams: each speaks once a period, at its own phase.

A task or a timer for each of 2,000 streams costs more than the messages that they send.
"""

import asyncio
import time
from typing import Protocol

_TICK_SECONDS = 0.001


class Speaker(Protocol):
    """Who speaks on the wheel."""

    def speak(self, due: float) -> None:
        """Sends what is due at this time of the monotonic clock."""


class Wheel:
    """Slots of a millisecond, passed in turn; what is overdue is made up for, never left out."""

    def __init__(self, period: float) -> None:
        self.slots = max(1, round(period / _TICK_SECONDS))
        self._tick_seconds = period / self.slots
        self._speakers: list[set[Speaker]] = [set() for _ in range(self.slots)]

    def add(self, speaker: Speaker, slot: int) -> None:
        """From now on `speaker` speaks at this phase."""
        self._speakers[slot].add(speaker)

    def remove(self, speaker: Speaker, slot: int) -> None:
        """It falls silent."""
        self._speakers[slot].discard(speaker)

    async def turn(self) -> None:
        """Turns until cancelled."""
        began, tick = time.monotonic(), 0
        while True:
            due = began + tick * self._tick_seconds
            for speaker in tuple(self._speakers[tick % self.slots]):
                speaker.speak(due)
            tick += 1
            empty = 1
            while empty < self.slots and not self._speakers[tick % self.slots]:
                tick, empty = tick + 1, empty + 1
            await asyncio.sleep(max(0.0, began + tick * self._tick_seconds - time.monotonic()))
