"""Streams of a server pod, read from its /metrics."""

from collections.abc import Awaitable, Callable

import aiohttp
from gharial_api.names import HTTP_PORT

from gharial_operator.facts import PodStreams

#: Reads the streams of the pod at an address; None when it does not answer.
StreamsReader = Callable[[str], Awaitable[PodStreams | None]]

#: A pod that takes longer is asked again at the next look.
SECONDS = 1.0


async def read_streams(address: str) -> PodStreams | None:
    """Streams of the pod at an IP address."""
    host = f"[{address}]" if ":" in address else address
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://{host}:{HTTP_PORT}/metrics") as response,
        ):
            return parse_streams(await response.text()) if response.status == 200 else None
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None


def parse_streams(text: str) -> PodStreams:
    """gharial_streams_active and gharial_streams_capacity of a Prometheus exposition, summed over labels."""
    sums = {"gharial_streams_active": 0.0, "gharial_streams_capacity": 0.0}
    for line in text.splitlines():
        name = line.split("{")[0].split(" ")[0]
        if name in sums:
            sums[name] += float(line.rsplit(" ", 1)[1])
    return PodStreams(int(sums["gharial_streams_active"]), int(sums["gharial_streams_capacity"]))
