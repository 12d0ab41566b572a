"""What the page is told of this server."""

import asyncio
import json
import urllib.request
from typing import Any

from gharial_ui.mount import PageHost, Refused

from gharial_server.admission import Refusal
from gharial_server.service import Service
from gharial_server.web.handshake import judge_target

FLEET_SECONDS = 3.0


def page_host(service: Service) -> PageHost:
    """Where the stream is, what is loaded, why a stream would be refused, and the fleet where there is one to see."""
    settings = service.settings

    def refusal(target: str) -> Refused | None:
        verdict = judge_target(service, target, {})
        if isinstance(verdict, Refusal):
            return Refused(verdict.status, verdict.message, verdict.retry_after)
        return None

    async def fleet() -> dict[str, Any] | None:
        assert settings.fleet_url is not None
        return await asyncio.to_thread(read_fleet, settings.fleet_url)

    def stream_port() -> int:
        return service.stream_port

    return PageHost(settings.identity, stream_port, refusal, fleet if settings.fleet_url else None)


def read_fleet(url: str) -> dict[str, Any] | None:
    """What the operator tells of the fleet; None while it does not answer."""
    try:
        with urllib.request.urlopen(url, timeout=FLEET_SECONDS) as answer:
            told = json.load(answer)
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None
