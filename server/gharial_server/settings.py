"""What `gharial serve` is told, checked when it starts."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from gharial_asr.keywords import Keywords
from gharial_asr.recognition import PLAIN, Recognition
from gharial_wire.models import ModelIdentity

BACKENDS = ("cpu", "cuda", "card", "null")


def default_cache() -> Path:
    """The node's cache for root (as in a pod with the folder mounted), the user's own otherwise."""
    return Path("/var/lib/gharial/models") if os.geteuid() == 0 else Path.home() / ".cache/gharial/models"


@dataclass(frozen=True)
class Settings:
    """All options of the server. Times are in seconds; headroom and capacity are streams."""

    checkpoint: str | None = None
    sha256: str | None = None
    cache: Path = field(default_factory=default_cache)
    backend: str = "cpu"
    identity: ModelIdentity = field(default_factory=ModelIdentity)
    recognition: Recognition = PLAIN
    keywords: Keywords = ()
    host: str = "0.0.0.0"
    port: int = 3030
    http_port: int = 8080
    api_port: int = 8000
    capacity: int | None = None
    threads: int = 1
    ready_headroom: int = 0
    retry_after: int = 1
    tenants: Path | None = None
    tenant_streams: int | None = None
    fleet_url: str | None = None
    traces: str | None = None
    drain_timeout: float = 3600.0
    idle_timeout: float = 60.0
    write_timeout: float = 20.0
    transcriptions: int = 1
    upload_mib: int = 25
    recording_seconds: float = 7200.0

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise ValueError(f"--backend is {self.backend!r}; give one of {', '.join(BACKENDS)}")
        if self.backend != "null" and not self.checkpoint:
            raise ValueError("--checkpoint is missing; give a path or an http(s) URL (only --backend null needs none)")
        if self.capacity is not None and self.capacity < 1:
            raise ValueError(f"--capacity is {self.capacity}; give at least 1 stream")
        if self.threads < 1:
            raise ValueError(f"--threads is {self.threads}; give at least 1")
        if self.ready_headroom < 0 or (self.capacity is not None and self.ready_headroom >= self.capacity):
            raise ValueError(
                "--ready-headroom must lie between 0 and one less than --capacity, or no stream ever comes"
            )
        if self.tenant_streams is not None and (self.tenants is None or self.tenant_streams < 1):
            raise ValueError("--tenant-streams needs --tenants and a number of at least 1")
        if self.transcriptions < 1 or self.upload_mib < 1 or self.recording_seconds <= 0:
            raise ValueError("--transcriptions and --upload-mib are at least 1, --recording-seconds more than 0")
        if self.traces is not None and not self.traces.startswith(("http://", "https://")):
            raise ValueError(f"--traces is {self.traces!r}; give an OTLP collector such as http://localhost:4318")
        if self.fleet_url is not None and not self.fleet_url.startswith(("http://", "https://")):
            raise ValueError(f"--fleet-url is {self.fleet_url!r}; give one such as http://localhost:8081/fleet")
        if self.sha256 is not None and not _is_sha256(self.sha256):
            raise ValueError(f"--sha256 is {self.sha256!r}; give 64 hexadecimal digits")


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and all(c in "0123456789abcdef" for c in text.lower())
