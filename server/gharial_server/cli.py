"""`gharial serve`: options in, exit status out."""

import argparse
import asyncio
from pathlib import Path

from gharial_asr.cli.recognition_options import (
    add_keyword_argument,
    add_recognition_arguments,
    keywords_of,
    recognition_of,
)
from gharial_wire.models import ModelIdentity

from gharial_server import logs
from gharial_server.settings import BACKENDS, Settings
from gharial_server.supervisor import serve
from gharial_server.termination import explain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options; their defaults are those of Settings."""
    d = Settings(backend="null")
    model = parser.add_argument_group("model")
    model.add_argument("--checkpoint", metavar="URI", help="a path, or an http(s) URL; .pt or .gharial")
    model.add_argument("--sha256", metavar="HEX", help="refuse a checkpoint with another sha256")
    model.add_argument("--cache", type=Path, default=d.cache, metavar="DIR", help="keeps fetched and compiled models")
    model.add_argument("--name", default=d.identity.name, help="what clients call the model (%(default)s)")
    model.add_argument("--version", default=d.identity.version, help="the model's version (%(default)s)")
    model.add_argument("--language", default=d.identity.language, help="BCP 47 tag (%(default)s)")

    engine = parser.add_argument_group("engine")
    engine.add_argument(
        "--backend",
        choices=BACKENDS,
        default="cpu",
        help="cuda: the first NVIDIA GPU; card reads GHARIAL_CARD_SOCKET (%(default)s)",
    )
    engine.add_argument("--capacity", type=int, metavar="N", help="streams at most (default: what the backend can do)")
    engine.add_argument("--threads", type=int, default=d.threads, metavar="N", help="for arithmetic (%(default)s)")

    add_recognition_arguments(parser)
    add_keyword_argument(parser)

    streams = parser.add_argument_group("streams")
    streams.add_argument("--host", default=d.host, help="address to listen on (%(default)s)")
    streams.add_argument("--port", type=int, default=d.port, help="streams, /asr/v0.1/stream (%(default)s)")
    streams.add_argument("--http-port", type=int, default=d.http_port, help="health, metrics, drain (%(default)s)")
    streams.add_argument(
        "--api-port", type=int, default=d.api_port, help="the page, and whole recordings at /v1/ (%(default)s)"
    )
    streams.add_argument("--ready-headroom", type=int, default=d.ready_headroom, metavar="N",
                         help="not ready while no more than N streams are free (%(default)s)")  # fmt: skip
    streams.add_argument("--retry-after", type=int, default=d.retry_after, metavar="S",
                         help="what a refused client is told to wait (%(default)s s)")  # fmt: skip
    streams.add_argument("--tenants", type=Path, metavar="DIR",
                         help="streams need a key: a file for each, named like its tenant (none needed)")  # fmt: skip
    streams.add_argument("--tenant-streams", type=int, metavar="N",
                         help="streams of one tenant at once, where its file says nothing else (no limit)")  # fmt: skip
    streams.add_argument("--drain-timeout", type=float, default=d.drain_timeout, metavar="S",
                         help="after SIGTERM, how long live streams may go on (%(default)s s)")  # fmt: skip
    streams.add_argument("--idle-timeout", type=float, default=d.idle_timeout, metavar="S",
                         help="a stream without audio is closed after this (%(default)s s)")  # fmt: skip
    streams.add_argument("--transcriptions", type=int, default=d.transcriptions, metavar="N",
                         help="recordings that are decoded at once (%(default)s)")  # fmt: skip
    streams.add_argument("--upload-mib", type=int, default=d.upload_mib, metavar="MIB",
                         help="the largest recording that may be sent (%(default)s MiB)")  # fmt: skip
    streams.add_argument("--recording-seconds", type=float, default=d.recording_seconds, metavar="S",
                         help="the longest recording that is decoded (%(default)s s)")  # fmt: skip
    streams.add_argument("--fleet-url", metavar="URL", help="the operator's /fleet, for the page to show")
    streams.add_argument("--traces", metavar="URL", help="an OTLP collector over HTTP, such as http://localhost:4318")
    streams.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    parser.add_argument("--debug", action="store_true", help="show a traceback with an error")


def run(arguments: argparse.Namespace) -> int:
    """Serves until SIGTERM; what ends the server otherwise is raised, and told to Kubernetes."""
    logs.configure(arguments.log_level)
    given = vars(arguments)
    identity = ModelIdentity(given["name"], given["version"], given["language"])
    names = Settings.__dataclass_fields__.keys() - {"identity", "recognition", "keywords", "write_timeout"}
    with explain():
        settings = Settings(
            identity=identity,
            recognition=recognition_of(arguments),
            keywords=keywords_of(arguments),
            **{name: given[name] for name in names},
        )
        asyncio.run(serve(settings, arguments.log_level))
    return 0
