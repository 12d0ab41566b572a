"""Streams through the gateway as a tenant runs them, and the offline decode they are compared with."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from gharial_cluster.paths import checkout_root

GHARIAL = [sys.executable, "-m", "gharial_cli"]
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
