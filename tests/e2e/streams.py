"""Streams through the gateway as a tenant runs them, and the offline decode they are compared with."""

import json
import subprocess
import sys
import threading
import time
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from gharial_cluster.demo.site import Site
from gharial_cluster.paths import checkout_root

GHARIAL = [sys.executable, "-m", "gharial_cli"]
FRAME_SECONDS = 0.06
ARTEFACT = checkout_root() / "models" / "starter" / "starter.gharial"


def offline_transcripts(recordings: list[Path]) -> dict[Path, str]:
    """Transcripts of `gharial transcribe`, int8, with the artefact that the cluster serves."""
    command = [*GHARIAL, "transcribe", "--checkpoint", str(ARTEFACT), "--json", *map(str, recordings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    return {Path(line["file"]): line["transcript"] for line in lines}


def joined(recordings: list[Path], times: int, folder: Path) -> Path:
    """One long recording: all of them, one after the other, so many times."""
    audio = [soundfile.read(recording, dtype="int16")[0] for recording in recordings] * times
    file = folder / "long.wav"
    soundfile.write(file, np.concatenate(audio), 16000)
    return file


class LiveStream:
    """`gharial client transcribe` at real-time pace, running beside the test."""

    def __init__(self, recording: Path, url: str) -> None:
        command = [*GHARIAL, "client", "transcribe", str(recording), "--url", url, "--json", "--patience", "120"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @property
    def running(self) -> bool:
        """Whether the recording is still being sent."""
        return self._process.poll() is None

    def result(self, timeout: float = 180) -> dict[str, Any]:
        """Waits for the end and returns the client's JSON; fails with what the client said."""
        try:
            out, err = self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        assert self._process.returncode == 0, err
        found: dict[str, Any] = json.loads(out)
        return found


class OpenStream:
    """A speaker who goes on until the test has seen enough: all recordings round and round, at the pace of speech."""

    def __init__(self, recordings: list[Path], url: str) -> None:
        command = [*GHARIAL, "client", "transcribe", "-", "--raw", "--url", url, "--json", "--patience", "120"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._audio = np.concatenate([soundfile.read(recording, dtype="int16")[0] for recording in recordings])
        self._spoken: list[bytes] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._speak, name="speaker", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it is still taken."""
        return self._process.poll() is None

    def end(self, folder: Path, timeout: float = 120) -> tuple[Path, dict[str, Any]]:
        """Falls silent; returns what was said, as a recording, and the client's JSON."""
        self._ending.set()
        self._thread.join(timeout)
        out, err = self._process.communicate(timeout=timeout)
        assert self._process.returncode == 0, err.decode()
        said = folder / "said.wav"
        soundfile.write(said, np.frombuffer(b"".join(self._spoken), np.int16), 16000)
        found: dict[str, Any] = json.loads(out)
        return said, found

    def _speak(self) -> None:
        assert self._process.stdin is not None
        step = round(FRAME_SECONDS * 16000)
        began, at = time.monotonic(), 0
        while not self._ending.is_set():
            chunk = np.take(self._audio, range(at, at + step), mode="wrap").tobytes()
            at += step
            time.sleep(max(0.0, began + at / 16000 - time.monotonic()))
            self._process.stdin.write(chunk)
            self._process.stdin.flush()
            self._spoken.append(chunk)


def busy_pods(site: Site) -> list[str]:
    """Server pods that carry a stream now, by their own count."""
    names = [pod["metadata"]["name"] for pod in site.objects("pods", "speech", "asr.gharial.dev/model=general")]
    return [name for name in names if active_streams(site, name) > 0]


def active_streams(site: Site, pod: str) -> int:
    """gharial_streams_active as a pod reports it."""
    raw = f"/api/v1/namespaces/speech/pods/{pod}:8080/proxy/metrics"
    lines = site.cluster.kubectl("get", "--raw", raw).splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith("gharial_streams_active"))


def likeness(heard: dict[str, Any], recording: Path) -> float:
    """How much the words of a stream that was cut off are those of an unbroken one, 0 to 1.

    Every frame was answered, or this fails. At the place where another pod goes on words may differ: its network hears
    them without what was said before.
    """
    assert heard["answers"] >= int(heard["audio_seconds"] / FRAME_SECONDS)
    whole = offline_transcripts([recording])[recording].split()
    return SequenceMatcher(a=whole, b=heard["transcript"].split(), autojunk=False).ratio()
