"""Streams a recording through the gateway, as a tenant would: with the client's own command."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def stream_live(recording: Path, url: str) -> None:
    """Streams a recording at real-time pace; partials and words appear in this terminal. Raises RuntimeError."""
    done = subprocess.run([*CLIENT, str(recording), "--url", url], timeout=300, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"streaming {recording.name} to {url} failed with exit status {done.returncode}")


def transcribe(recording: Path, url: str, *options: str) -> dict[str, Any]:
    """Streams a recording and returns the client's JSON: transcript, latencies, reconnects. Raises RuntimeError."""
    command = [*CLIENT, str(recording), "--url", url, "--json", *options]
    done = subprocess.run(command, timeout=300, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"streaming {recording.name} to {url} failed: {done.stderr.strip()}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


CLIENT = [sys.executable, "-m", "gharial_cli", "client", "transcribe"]
