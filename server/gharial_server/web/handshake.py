"""The opening handshake of a stream: what it is answered with before there is a WebSocket."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from gharial_wire.models import check_model
from gharial_wire.request import SUBPROTOCOL, RequestError, StreamRequest, parse_target
from picows import WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener

from gharial_server.admission import Refusal
from gharial_server.service import Service
from gharial_server.tenants import Tenant, key_of

STREAM_HEADER = "X-Gharial-Stream"


@dataclass(frozen=True)
class Wanted:
    """A stream that may be opened. tenant: whose it is; None where everybody may stream."""

    request: StreamRequest
    tenant: Tenant | None


def judge(service: Service, request: WSUpgradeRequest) -> Wanted | Refusal:
    """What the client asks for, if it may have it now. Takes no place yet."""
    try:
        target = request.path.decode("ascii")
    except UnicodeDecodeError:
        return Refusal(400, "bad_request", "the URL has bytes that are not ASCII; percent-encode them")
    verdict = judge_target(service, target, request.headers)
    if isinstance(verdict, Wanted) and "websocket" not in _tokens(request, "Upgrade"):
        return Refusal(426, "bad_request", "this is a WebSocket endpoint; ask for an upgrade to websocket")
    return verdict


def judge_target(service: Service, target: str, headers: Mapping[str, str]) -> Wanted | Refusal:
    """What a request target asks for, if a stream may have it now. headers: where a key may be."""
    tenant: Tenant | None = None
    try:
        wanted = parse_target(target)
        if service.tenants is not None:
            key = key_of(headers, wanted.api_key)
            admitted = service.tenants.admit(key, service.settings.retry_after)
            if isinstance(admitted, Refusal):
                return admitted
            tenant = admitted
        check_model(wanted, service.settings.identity)
    except RequestError as error:
        return Refusal(error.status, "not_found" if error.status == 404 else "bad_request", str(error))
    try:
        service.keywords(wanted)
    except ValueError as error:
        return Refusal(400, "bad_request", str(error))
    return service.refuse() or Wanted(wanted, tenant)


def mend_connection_header(request: WSUpgradeRequest) -> None:
    """Firefox sends `Connection: keep-alive, Upgrade`, which is right, but the library wants the one word alone."""
    if "upgrade" in _tokens(request, "Connection"):
        request.headers["Connection"] = "upgrade"


def acceptance(request: WSUpgradeRequest, name: str) -> WSUpgradeResponse:
    """The 101 answer: the stream's name, and the documented subprotocol if it was offered."""
    headers = {STREAM_HEADER: name}
    if SUBPROTOCOL in _tokens(request, "Sec-WebSocket-Protocol"):
        headers["Sec-WebSocket-Protocol"] = SUBPROTOCOL
    answer: WSUpgradeResponse = WSUpgradeResponse.create_101_response(headers)
    return answer


def refusal(refused: Refusal) -> WSUpgradeResponseWithListener:
    """The HTTP answer to a stream that is refused."""
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    if refused.retry_after is not None:
        headers["Retry-After"] = str(refused.retry_after)
    if refused.status == HTTPStatus.UPGRADE_REQUIRED:
        headers["Upgrade"] = "websocket"
    body = f"{refused.status} {refused.message}\n".encode()
    return WSUpgradeResponseWithListener(WSUpgradeResponse.create_error_response(refused.status, body, headers), None)


def _tokens(request: WSUpgradeRequest, name: str) -> set[str]:
    """The words of a comma-separated header, in lower case; the header may come several times."""
    return {token.strip().lower() for line in request.headers.getall(name, []) for token in line.split(",")}
