"""Many streams at the pace of speech from one process: as soon as one ends, the next begins."""

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import TracebackType

from gharial_client.connecting import StreamError
from gharial_client.recordings import Pcm, read_recording
from gharial_client.transcription import Options, Result, transcribe

#: Clients go on asking for a stream, or for a lost one, for so long.
PATIENCE_SECONDS = 90.0
#: The first streams begin within this time, so that they do not end together either.
RAMP_SECONDS = 4.0


@dataclass(frozen=True)
class Heard:
    """What one client got of one recording. failure: empty when all went well. began: UTC, to find it in logs."""

    recording: Path
    result: Result
    failure: str = ""
    url: str = ""
    began: str = ""

    def __str__(self) -> str:
        """Where to look for it."""
        streams = ", ".join(self.result.streams)
        told = f"{self.recording.name} from {self.began} at {self.url}, {self.result.reconnects} reconnects ({streams})"
        return f"{told}: {self.failure}" if self.failure else told


class Crowd:
    """Use it as a context. offline: the recordings, and what the model makes of each without any server.

    It runs on an event loop of its own in a thread: a test may wait for the cluster meanwhile.
    """

    def __init__(self, offline: Mapping[Path, str], url: str, streams: int) -> None:
        self._offline = offline
        self._url = url
        self._streams = streams
        self._audio: dict[Path, Pcm] = {recording: read_recording(recording) for recording in offline}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="crowd", daemon=True)
        self.heard: list[Heard] = []
        #: Streams that take audio now, or ask for a server.
        self.live = 0

    def __enter__(self) -> "Crowd":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> list[Heard]:
        """Begins no more streams (each client has had one), and returns what all have heard when the last has ended."""
        self._ending.set()
        self._thread.join(PATIENCE_SECONDS + 60.0)
        assert not self._thread.is_alive(), f"{self.live} streams do not end"
        return self.heard

    def expect_whole(self, reconnects: bool = False) -> None:
        """Every stream came to its end with every word; without `reconnects` none was ever cut off."""
        heard = self.end()
        assert len(heard) >= self._streams
        failed = [str(one) for one in heard if one.failure]
        cut_off = [str(one) for one in heard if one.result.reconnects]
        assert not failed, failed
        assert reconnects or not cut_off, cut_off
        for one in heard:
            if one.result.reconnects:
                # The new server hears the recording without what was said before: a word there may differ.
                assert one.result.audio_seconds * 16000 >= len(self._audio[one.recording])
            else:
                assert one.result.transcript == self._offline[one.recording], str(one)

    async def _run(self) -> None:
        await asyncio.gather(*(self._client(number) for number in range(self._streams)))

    async def _client(self, number: int) -> None:
        """One place of speech: a recording after the other, each client in an order of its own."""
        recordings = list(self._audio)
        await asyncio.sleep(RAMP_SECONDS * number / self._streams)
        for turn in count(number):
            self.live += 1
            self.heard.append(await self._stream(recordings[turn % len(recordings)]))
            self.live -= 1
            if self._ending.is_set():
                return

    async def _stream(self, recording: Path) -> Heard:
        options = Options(patience_seconds=PATIENCE_SECONDS)
        url, began = self._url, f"{datetime.now(UTC):%H:%M:%S}"
        try:
            return Heard(recording, await transcribe(self._audio[recording], url, options), url=url, began=began)
        except (StreamError, OSError) as error:
            return Heard(recording, Result(), str(error) or type(error).__name__, url, began)
