"""The streams of one process: as many as asked, each at a random phase, as independent speakers would be."""

import asyncio
import time

from gharial_wire.audio import SAMPLE_RATE

from gharial_client.load.plan import Level, LoadPlan
from gharial_client.load.player import Player
from gharial_client.load.tally import Tally
from gharial_client.load.wheel import Wheel

# After the measured time, how long answers to what was sent in it are waited for.
PATIENCE_SECONDS = 3.0
# How often it is looked how many streams take audio, in seconds.
SAMPLE_EVERY = 0.5


class Crowd:
    """Use it as a context. process, processes: its number among those that share the streams."""

    def __init__(self, plan: LoadPlan, process: int = 0, processes: int = 1) -> None:
        self._plan = plan
        self._numbers = (process, processes)
        self._wheel = Wheel(plan.chunk / SAMPLE_RATE)
        self._players: list[Player] = []
        self.tally = Tally(0.0, 0.0)

    async def __aenter__(self) -> "Crowd":
        self._turning = asyncio.create_task(self._wheel.turn())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.resize(0, 0.0)
        self._turning.cancel()
        await asyncio.gather(self._turning, return_exceptions=True)

    def resize(self, streams: int, ramp: float) -> None:
        """Begins streams within `ramp` seconds, or drops some, so that there are as many as said."""
        process, processes = self._numbers
        while len(self._players) > streams:
            player = self._players.pop()
            player.stop()
            self._wheel.remove(player, self._slot(player))
        first = len(self._players)
        for index in range(first, streams):
            player = Player(self._plan, index * processes + process, self)
            self._players.append(player)
            self._wheel.add(player, self._slot(player))
            player.begin(ramp * (index - first + player.phase) / (streams - first))

    async def measure(self, level: Level, begins: float) -> Tally:
        """Brings the streams to `level.streams`, measures from `begins` (monotonic clock) on, returns what was seen.

        All that was sent in the measured time is waited for, but not for longer than PATIENCE_SECONDS.
        """
        tally = self.tally = Tally(begins, begins + level.seconds)
        self.resize(level.streams, level.ramp)
        sampling = asyncio.create_task(self._sample(tally))
        try:
            await _until(begins)
            cpu = time.process_time()
            await _until(tally.end)
            tally.cpu_seconds = time.process_time() - cpu
            await self._answers(tally)
        finally:
            sampling.cancel()
        return tally

    async def _answers(self, tally: Tally) -> None:
        while left := self._unanswered(tally):
            if time.monotonic() > tally.end + PATIENCE_SECONDS:
                tally.unanswered += left
                return
            await asyncio.sleep(0.05)

    def _unanswered(self, tally: Tally) -> int:
        return sum(tally.counts(sent_at) for player in self._players for sent_at in player.meter.unanswered())

    async def _sample(self, tally: Tally) -> None:
        # At the same moments in every process.
        first = -int((tally.begin - time.monotonic()) / SAMPLE_EVERY)
        for number in range(first, int((tally.end - tally.begin) / SAMPLE_EVERY) + 1):
            await _until(tally.begin + number * SAMPLE_EVERY)
            tally.speaking[number * SAMPLE_EVERY] = sum(player.is_speaking for player in self._players)

    def _slot(self, player: Player) -> int:
        return int(player.phase * self._wheel.slots)


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))
