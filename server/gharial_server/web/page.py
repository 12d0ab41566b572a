"""What the page is told of this server."""

from gharial_ui.mount import PageHost, Refused

from gharial_server.admission import Refusal
from gharial_server.service import Service
from gharial_server.web.handshake import judge_target


def page_host(service: Service) -> PageHost:
    """Where the stream is, what is loaded, and why a stream would be refused."""

    def refusal(target: str) -> Refused | None:
        verdict = judge_target(service, target, {})
        if isinstance(verdict, Refusal):
            return Refused(verdict.status, verdict.message, verdict.retry_after)
        return None

    return PageHost(service.settings.identity, lambda: service.stream_port, refusal)
