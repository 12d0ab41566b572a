"""Many streams at once, at the pace of speech, for as long as asked: what do users feel at this load?

Each stream plays the recordings round and round: the first from a random place, and every stream with its own random
phase within a frame, as independent speakers would. At a recording's end the stream ends and a new one begins.
"""

import asyncio
import random
import resource
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from gharial_wire.answers import decode_answer
from gharial_wire.audio import FRAME_SAMPLES, FRAME_SECONDS, SAMPLE_RATE
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from gharial_client.connecting import Patience, StreamError, open_stream
from gharial_client.latency import LatencyMeter
from gharial_client.recordings import Pcm


@dataclass(frozen=True)
class LoadPlan:
    """streams: at once; seconds: measured after all have been started over `ramp` seconds."""

    streams: int
    seconds: float
    ramp: float = 1.0
    headers: dict[str, str] = field(default_factory=dict)
    seed: int = 0


@dataclass
class LoadReport:
    """What was seen in the measured time. latencies and closings in seconds."""

    plan: LoadPlan
    latencies: list[float] = field(default_factory=list)
    closings: list[float] = field(default_factory=list)
    answers: int = 0
    audio_seconds: float = 0.0
    completed: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    client_cpu_seconds: float = 0.0
    late_sends: int = 0


async def load(recordings: Sequence[Pcm], url: str, plan: LoadPlan) -> LoadReport:
    """Runs the load and reports. A stream that fails is counted and begun anew."""
    report = LoadReport(plan)
    began = time.monotonic()
    window = (began + plan.ramp, began + plan.ramp + plan.seconds)
    players = [_Player(recordings, url, plan, number, window, report) for number in range(plan.streams)]
    tasks = [asyncio.create_task(player.play()) for player in players]
    await asyncio.sleep(plan.ramp)
    cpu = _cpu_seconds()
    await asyncio.sleep(plan.seconds)
    report.client_cpu_seconds = _cpu_seconds() - cpu
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return report


class _Player:
    def __init__(
        self,
        recordings: Sequence[Pcm],
        url: str,
        plan: LoadPlan,
        number: int,
        window: tuple[float, float],
        report: LoadReport,
    ) -> None:
        self._recordings = recordings
        self._url = url
        self._plan = plan
        self._number = number
        self._window = window
        self._report = report
        self._random = random.Random(f"{plan.seed} {number}")

    async def play(self) -> None:
        """Plays until cancelled."""
        ramp = self._plan.ramp * self._number / self._plan.streams
        await asyncio.sleep(ramp + self._random.uniform(0, FRAME_SECONDS))
        index = self._random.randrange(len(self._recordings))
        first = self._random.randrange(max(1, len(self._recordings[index]) - FRAME_SAMPLES))
        while True:
            await self._play_one(self._recordings[index], first)
            index, first = (index + 1) % len(self._recordings), 0

    async def _play_one(self, samples: Pcm, first: int) -> None:
        try:
            connection = await open_stream(self._url, self._plan.headers, Patience(self._plan.seconds))
        except StreamError as error:
            self._report.failures[str(error)[:120]] += 1
            return
        meter = LatencyMeter()
        sending = asyncio.create_task(self._send(connection, samples[first:], meter))
        try:
            async for message in connection:
                now = time.monotonic()
                answer = decode_answer(message)
                if self._counts(now):
                    self._report.answers += 1
                    meter.answered(answer.end, now)
        except ConnectionClosed:
            pass
        finally:
            sending.cancel()
            self._report.latencies += meter.seconds
            # Cancelled at the end of the load: dropping the sockets is quicker than a handshake for each.
            connection.transport.abort()
        ended = time.monotonic()
        if connection.close_code != 1000:
            self._report.failures[f"closed with {connection.close_code} {connection.close_reason or ''}".strip()] += 1
        elif sending.done() and self._counts(ended):
            self._report.completed += 1
            self._report.closings.append(ended - sending.result())

    async def _send(self, connection: ClientConnection, samples: Pcm, meter: LatencyMeter) -> float:
        """Sends the recording in frames as time passes; returns when the end was sent."""
        pcm = samples.astype("<i2", copy=False).tobytes()
        began, step = time.monotonic(), FRAME_SAMPLES * samples.itemsize
        for at in range(0, len(pcm), step):
            chunk = pcm[at : at + step]
            seconds = (at + len(chunk)) / samples.itemsize / SAMPLE_RATE
            wait = began + seconds - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            await connection.send(chunk)
            now = time.monotonic()
            meter.sent(seconds, now)
            if self._counts(now):
                self._report.audio_seconds += len(chunk) / samples.itemsize / SAMPLE_RATE
                self._report.late_sends += now - began - seconds > FRAME_SECONDS / 2
        await connection.send(b"")
        return time.monotonic()

    def _counts(self, now: float) -> bool:
        return self._window[0] <= now < self._window[1]


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
