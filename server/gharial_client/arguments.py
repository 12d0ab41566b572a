"""Options that all sub-commands share: which server, which model, which key."""

import argparse

from gharial_wire.audio import SAMPLE_RATE

from gharial_client.target import stream_url


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares where to stream to."""
    server = parser.add_argument_group("server")
    server.add_argument("--url", default="ws://localhost:3030", help="ws://HOST:PORT, or a whole URL (%(default)s)")
    server.add_argument("--model", help="the model's name, such as general")
    server.add_argument("--model-version", metavar="VERSION", help="the model's version, such as v1")
    server.add_argument("--lang", help="the language, such as en")
    server.add_argument("--header", action="append", default=[], metavar="NAME: VALUE",
                        help="sent with the handshake, such as 'x-api-key: …'; may be given again")  # fmt: skip
    server.add_argument("--patience", type=float, default=30.0, metavar="S",
                        help="how long to go on trying to connect (%(default)s s)")  # fmt: skip
    parser.add_argument("--debug", action="store_true", help="show a traceback with an error")


def server_url(arguments: argparse.Namespace, **more: str | None) -> str:
    """The whole URL of a stream; more: parameters beside those of the options. Raises ValueError when --url is none."""
    return stream_url(
        arguments.url, model=arguments.model, version=arguments.model_version, lang=arguments.lang, **more
    )


def server_headers(arguments: argparse.Namespace) -> dict[str, str]:
    """The additional headers of the handshake. Raises ValueError when one has no colon."""
    headers = {}
    for text in arguments.header:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise ValueError(f"--header is {text!r}; give NAME: VALUE")
        headers[name.strip()] = value.strip()
    return headers


def chunk_samples(arguments: argparse.Namespace) -> int:
    """--chunk-ms in samples. Raises ValueError when that is less than one."""
    chunk: int = round(arguments.chunk_ms * SAMPLE_RATE / 1000)
    if chunk < 1:
        raise ValueError(f"--chunk-ms is {arguments.chunk_ms}; give at least 0.0625 (one sample)")
    return chunk
