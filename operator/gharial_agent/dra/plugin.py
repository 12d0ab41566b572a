"""The kubelet's side door: plugin registration and the DRA service, over real gRPC on Unix sockets.

Order and leftovers matter: the DRA socket listens before the registration socket appears, because the kubelet calls
back as soon as it sees that one; sockets of a killed predecessor are removed first, or the kubelet never looks again.
"""

import logging
import threading
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from gharial_api import names
from gharial_kube.client import JsonObject, KubeError

from gharial_agent.claims import CardUnavailableError, ClaimBook
from gharial_agent.dra import health
from gharial_agent.dra.allocation import ClaimError, allocated_card
from gharial_agent.dra.kubelet import dra_health_v1alpha1_pb2_grpc as health_grpc
from gharial_agent.dra.kubelet import dra_v1_pb2 as dra
from gharial_agent.dra.kubelet import dra_v1_pb2_grpc as dra_grpc
from gharial_agent.dra.kubelet import plugin_registration_v1_pb2 as registration
from gharial_agent.dra.kubelet import plugin_registration_v1_pb2_grpc as registration_grpc
from gharial_agent.dra.slices import device_name

log = logging.getLogger(__name__)

SUPPORTED_VERSIONS = ["v1.DRAPlugin", health.SERVICE]
STOP_SECONDS = 5.0
# Calls at a time; a stream of health holds one as long as it lasts.
WORKERS = 10

#: Reads a ResourceClaim by namespace and name.
ClaimReader = Callable[[str, str], JsonObject]


class DraService(dra_grpc.DRAPluginServicer):
    """Answers the kubelet. What goes wrong with one claim is said in its own answer, in words for the pod's events."""

    def __init__(self, node: str, claims: ClaimBook, read_claim: ClaimReader, on_change: Callable[[], None]) -> None:
        self._node = node
        self._claims = claims
        self._read_claim = read_claim
        self._on_change = on_change

    def NodePrepareResources(  # noqa: N802
        self, request: dra.NodePrepareResourcesRequest, context: grpc.ServicerContext
    ) -> dra.NodePrepareResourcesResponse:
        """Makes the claims' cards ready for containers; asking twice is harmless."""
        answers = {claim.uid: self._prepare(claim) for claim in request.claims}
        self._on_change()
        return dra.NodePrepareResourcesResponse(claims=answers)

    def NodeUnprepareResources(  # noqa: N802
        self, request: dra.NodeUnprepareResourcesRequest, context: grpc.ServicerContext
    ) -> dra.NodeUnprepareResourcesResponse:
        """Takes them back; also called for claims that were never prepared."""
        answers = {claim.uid: self._unprepare(claim) for claim in request.claims}
        self._on_change()
        return dra.NodeUnprepareResourcesResponse(claims=answers)

    def _prepare(self, claim: dra.Claim) -> dra.NodePrepareResourceResponse:
        try:
            found = self._read_claim(claim.namespace, claim.name)
            card_id, requests = allocated_card(found, claim.uid, self._node)
            prepared = self._claims.prepare(claim.uid, card_id)
        except (ClaimError, CardUnavailableError, KubeError, OSError) as error:
            log.warning("claim %s/%s: %s", claim.namespace, claim.name, error)
            return dra.NodePrepareResourceResponse(error=str(error))
        log.info("claim %s/%s holds card %s", claim.namespace, claim.name, card_id)
        device = dra.Device(
            request_names=requests,
            pool_name=self._node,
            device_name=device_name(card_id),
            cdi_device_ids=[prepared.cdi_id],
        )
        return dra.NodePrepareResourceResponse(devices=[device])

    def _unprepare(self, claim: dra.Claim) -> dra.NodeUnprepareResourceResponse:
        try:
            self._claims.unprepare(claim.uid)
        except OSError as error:
            return dra.NodeUnprepareResourceResponse(error=str(error))
        log.info("claim %s/%s is released", claim.namespace, claim.name)
        return dra.NodeUnprepareResourceResponse()


class RegistrationService(registration_grpc.RegistrationServicer):
    """Tells the kubelet who we are and where our socket lies."""

    def __init__(self, endpoint: Path) -> None:
        self._endpoint = endpoint
        self.registered = threading.Event()

    def GetInfo(  # noqa: N802
        self, request: registration.InfoRequest, context: grpc.ServicerContext
    ) -> registration.PluginInfo:
        """Type, name, endpoint and versions."""
        return registration.PluginInfo(
            type="DRAPlugin",
            name=names.DRA_DRIVER,
            endpoint=str(self._endpoint),
            supported_versions=SUPPORTED_VERSIONS,
        )

    def NotifyRegistrationStatus(  # noqa: N802
        self, request: registration.RegistrationStatus, context: grpc.ServicerContext
    ) -> registration.RegistrationStatusResponse:
        """What the kubelet made of it."""
        if request.plugin_registered:
            log.info("the kubelet has registered %s", names.DRA_DRIVER)
            self.registered.set()
        else:
            log.error("the kubelet refuses %s: %s", names.DRA_DRIVER, request.error)
            self.registered.clear()
        return registration.RegistrationStatusResponse()


class KubeletPlugin:
    """Both sockets. `kubelet_root` is the same path inside the agent's container as on the node."""

    def __init__(self, kubelet_root: Path, service: DraService, cards: health.HealthService) -> None:
        self._dra_socket = kubelet_root / "plugins" / names.DRA_DRIVER / "dra.sock"
        self._registration_socket = kubelet_root / "plugins_registry" / f"{names.DRA_DRIVER}-reg.sock"
        self._registration = RegistrationService(self._dra_socket)
        self._health = cards
        self._dra_server = grpc.server(futures.ThreadPoolExecutor(WORKERS))
        self._registration_server = grpc.server(futures.ThreadPoolExecutor(1))
        add_dra: Any = dra_grpc.add_DRAPluginServicer_to_server
        add_dra(service, self._dra_server)
        add_health: Any = health_grpc.add_DRAResourceHealthServicer_to_server
        add_health(cards, self._dra_server)
        add_registration: Any = registration_grpc.add_RegistrationServicer_to_server
        add_registration(self._registration, self._registration_server)

    def await_registration(self, seconds: float) -> None:
        """Returns when the kubelet has registered the plugin, or when so much time has passed."""
        self._registration.registered.wait(seconds)

    @property
    def registered(self) -> bool:
        """Whether the kubelet knows us."""
        return self._registration.registered.is_set()

    def start(self) -> None:
        """Listens on both sockets. Raises OSError when that fails."""
        listen(self._dra_server, self._dra_socket)
        listen(self._registration_server, self._registration_socket)

    def stop(self) -> None:
        """Leaves the registry first, so that no new call comes, then lets running calls end."""
        self._registration_socket.unlink(missing_ok=True)
        self._registration_server.stop(STOP_SECONDS).wait()
        self._health.stop()
        self._dra_server.stop(STOP_SECONDS).wait()
        self._dra_socket.unlink(missing_ok=True)


def listen(server: grpc.Server, socket: Path) -> None:
    """Starts a server on a socket of its own, in place of what a predecessor left."""
    socket.parent.mkdir(parents=True, exist_ok=True)
    socket.unlink(missing_ok=True)
    try:
        server.add_insecure_port(f"unix://{socket}")
    except RuntimeError as error:
        raise OSError(f"cannot listen on {socket}: {error}") from None
    server.start()
