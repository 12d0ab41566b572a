"""A whole recording in any common container, decoded in a process of its own.

`python -m gharial_wire.formats.recording SECONDS`, with the longest that a recording may be.
Standard input is the file (it can be read from anywhere), standard output takes its samples as S16LE, 16 kHz, mono, as
fast as they are read. A file that makes FFmpeg crash or eat memory ends this process and nothing else.
"""

import resource
import sys
from collections.abc import Iterator
from typing import BinaryIO

import av

from gharial_wire.formats.errors import FormatError
from gharial_wire.formats.output import Output
from gharial_wire.formats.packets import samples_of

# Containers that hold audio and nothing that names other files.
CONTAINERS = "wav,flac,ogg,mp3,aac,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm"
DAMAGED, TOO_LONG = 2, 3
MEMORY_BYTES = 1 << 30
CPU_SECONDS = 900


class TooLongError(ValueError):
    """The recording says that it is longer than it may be."""


def decode(file: BinaryIO, most_seconds: float) -> Iterator[bytes]:
    """The samples of the first audio stream. Raises FormatError and TooLongError."""
    try:
        with av.open(file, "r", options={"format_whitelist": CONTAINERS}) as container:
            if not container.streams.audio:
                raise FormatError("the file has no audio in it")
            if container.duration is not None and container.duration / av.time_base > most_seconds:
                raise TooLongError
            yield from _samples(container)
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, FormatError | TooLongError):
            raise
        raise FormatError("the file is damaged, or of a format that is not known here") from error


def _samples(container: av.container.InputContainer) -> Iterator[bytes]:
    output, shape = None, (0, 0)
    for frame in container.decode(audio=0):
        x_NC = samples_of(frame)
        if output is None or shape != (frame.sample_rate, x_NC.shape[1]):
            if output is not None:
                yield output.flush()
            shape = (frame.sample_rate, x_NC.shape[1])
            output = Output(*shape, channel=None)
        yield output.convert(x_NC)
    if output is not None:
        yield output.flush()


def main() -> int:
    """Decodes standard input; the exit status says how it went, and standard error why."""
    for kind, limit in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))
    try:
        for samples in decode(sys.stdin.buffer, float(sys.argv[1])):
            sys.stdout.buffer.write(samples)
        sys.stdout.buffer.flush()
    except TooLongError:
        return TOO_LONG
    except (FormatError, MemoryError) as error:
        print(error or "the file needs too much memory", file=sys.stderr)
        return DAMAGED
    return 0


if __name__ == "__main__":
    sys.exit(main())
