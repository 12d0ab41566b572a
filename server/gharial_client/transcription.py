"""Streams a recording or what is being heard, and collects the words; survives lost connections.

result = await transcribe(read_recording(path), "ws://localhost:3030")
print(result.transcript)
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from gharial_wire.answers import Answer, decode_answer, moved
from gharial_wire.audio import FRAME_SAMPLES, FRAME_SECONDS, SAMPLE_RATE
from gharial_wire.closing import RETRYABLE_CODES
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from gharial_client.connecting import Patience, StreamError, open_stream
from gharial_client.latency import LatencyMeter, percentile
from gharial_client.recordings import Pcm
from gharial_client.resume import resume_point
from gharial_client.sources import Recording, Source
from gharial_client.target import stream_url

OnAnswer = Callable[[Answer], None]
OnRewind = Callable[[float, str], None]


@dataclass(frozen=True)
class Options:
    """How to stream. pace: 1.0 is real time, None as fast as the server takes it; chunk in samples;
    through_endpoints: go on with a new stream where the server ended one of its own accord."""

    pace: float | None = 1.0
    chunk: int = FRAME_SAMPLES
    headers: dict[str, str] = field(default_factory=dict)
    patience_seconds: float = 30.0
    through_endpoints: bool = False


@dataclass
class Result:
    """What came of one recording. Times in seconds; answers carry times in the whole recording."""

    audio_seconds: float = 0.0
    finals: list[Answer] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    answers: int = 0
    reconnects: int = 0
    closing_seconds: float = 0.0
    wall_seconds: float = 0.0
    streams: list[str] = field(default_factory=list)

    @property
    def transcript(self) -> str:
        """All finals, joined."""
        return "".join(final.transcript for final in self.finals).strip()

    def latency(self, percent: float) -> float:
        """A percentile of the user-perceived latency in seconds."""
        return percentile(self.latencies, percent)


async def transcribe(
    audio: Pcm | Source,
    url: str,
    options: Options = Options(),
    on_answer: OnAnswer = lambda answer: None,
    on_rewind: OnRewind = lambda seconds, transcript: None,
) -> Result:
    """Streams samples (shape (n,), int16, 16 kHz mono) or what a source gives to a server of the documented API.

    on_answer is called with each answer as it comes, on_rewind when a lost connection takes text back: with the place
    in the recording that is sent on from, in seconds, and the transcript that stands. Raises StreamError.
    """
    source = Recording(audio, options.pace) if isinstance(audio, np.ndarray) else audio
    return await _Transcription(source, stream_url(url), options, on_answer, on_rewind).run()


class _Transcription:
    def __init__(self, source: Source, url: str, options: Options, on_answer: OnAnswer, on_rewind: OnRewind) -> None:
        self._source = source
        self._url = url
        self._options = options
        self._on_answer = on_answer
        self._on_rewind = on_rewind
        self._patience = Patience(options.patience_seconds)
        self._result = Result()
        self._ended_at: float | None = None
        self._answered_at = 0.0
        self._heard_until = 0.0

    async def run(self) -> Result:
        started = time.monotonic()
        first = 0
        while True:
            connection = await open_stream(self._url, self._options.headers, self._patience)
            code, reason = await self._stream(connection, first)
            if code == 1000:
                if not self._may_go_on(first):
                    break
                first = round(self._heard_until * SAMPLE_RATE)
                continue
            if code not in RETRYABLE_CODES:
                raise StreamError(f"the server closed the stream with {code}: {reason or 'no reason given'}")
            await self._patience.pause(f"the connection was lost ({code} {reason})".rstrip())
            first = self._rewind()
        self._result.wall_seconds = time.monotonic() - started
        # To the last answer: what TCP and a gateway need to say goodbye is no wait for words.
        if self._ended_at is not None:
            self._result.closing_seconds = max(self._answered_at - self._ended_at, 0.0)
        return self._result

    def _may_go_on(self, first: int) -> bool:
        """Whether the server ended the stream, which began at sample `first`, before all audio was answered."""
        if not self._options.through_endpoints or self._heard_until * SAMPLE_RATE <= first:
            return False
        return self._ended_at is None or self._heard_until + FRAME_SECONDS / 2 < self._result.audio_seconds

    def _rewind(self) -> int:
        """Takes back what was not finished and returns the sample to send on from."""
        point = resume_point(self._result.finals)
        del self._result.finals[point.kept :]
        self._result.reconnects += 1
        self._on_rewind(point.seconds, self._result.transcript)
        return round(point.seconds * SAMPLE_RATE)

    async def _stream(self, connection: ClientConnection, first: int) -> tuple[int, str]:
        """One connection, from sample `first` to its end; returns its close code and reason."""
        meter = LatencyMeter()
        self._ended_at = None
        response = connection.response
        if response is not None and (name := response.headers.get("X-Gharial-Stream")):
            self._result.streams.append(name)
        sending = asyncio.create_task(self._send(connection, first, meter))
        try:
            async for message in connection:
                self._take(decode_answer(message), first / SAMPLE_RATE, meter)
        except ConnectionClosed:
            pass
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await connection.close()
        code = connection.close_code
        return (1006 if code is None else code), connection.close_reason or ""

    def _take(self, answer: Answer, offset: float, meter: LatencyMeter) -> None:
        self._answered_at = time.monotonic()
        self._result.latencies += [self._answered_at - sent_at for sent_at in meter.answered(answer.end)]
        answer = moved(answer, offset)
        self._heard_until = answer.end
        self._patience.progress()
        self._result.answers += 1
        if not answer.is_provisional:
            self._result.finals.append(answer)
            self._source.settled(round(answer.end * SAMPLE_RATE))
        self._on_answer(answer)

    async def _send(self, connection: ClientConnection, first: int, meter: LatencyMeter) -> None:
        """Sends audio as the source gives it; what is overdue (after a reconnect) goes out at once."""
        at, step = first, self._options.chunk
        try:
            while len(chunk := await self._source.read(at, step)):
                await connection.send(chunk.astype("<i2", copy=False).tobytes())
                at += len(chunk)
                meter.sent(at - first, time.monotonic())
                self._result.audio_seconds = max(self._result.audio_seconds, at / SAMPLE_RATE)
            await connection.send(b"")
            self._ended_at = time.monotonic()
        except ConnectionClosed:
            pass  # the receiving side sees the code
