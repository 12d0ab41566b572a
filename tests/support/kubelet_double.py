"""What the kubelet does with a DRA plugin, over the same sockets with the same stubs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from gharial_agent.dra.kubelet import dra_health_v1alpha1_pb2 as health
from gharial_agent.dra.kubelet import dra_health_v1alpha1_pb2_grpc as health_grpc
from gharial_agent.dra.kubelet import dra_v1_pb2 as dra
from gharial_agent.dra.kubelet import dra_v1_pb2_grpc as dra_grpc
from gharial_agent.dra.kubelet import plugin_registration_v1_pb2 as registration
from gharial_agent.dra.kubelet import plugin_registration_v1_pb2_grpc as registration_grpc

SECONDS = 10


class Kubelet:
    """Calls the plugin that registered under a kubelet root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def registration_socket(self) -> Path:
        return self.root / "plugins_registry" / "cards.asr.gharial.dev-reg.sock"

    def register(self) -> registration.PluginInfo:
        """Finds the plugin in the registry and accepts it."""
        with grpc.insecure_channel(f"unix://{self.registration_socket}") as channel:
            stub: Any = registration_grpc.RegistrationStub(channel)  # type: ignore[no-untyped-call]
            info: registration.PluginInfo = stub.GetInfo(registration.InfoRequest(), timeout=SECONDS)
            stub.NotifyRegistrationStatus(registration.RegistrationStatus(plugin_registered=True), timeout=SECONDS)
            return info

    def prepare(self, *claims: dra.Claim) -> dict[str, dra.NodePrepareResourceResponse]:
        """NodePrepareResources on the endpoint that the plugin named."""
        with grpc.insecure_channel(f"unix://{self.register().endpoint}") as channel:
            stub: Any = dra_grpc.DRAPluginStub(channel)  # type: ignore[no-untyped-call]
            request = dra.NodePrepareResourcesRequest(claims=claims)
            return dict(stub.NodePrepareResources(request, timeout=SECONDS).claims)

    def unprepare(self, *claims: dra.Claim) -> dict[str, dra.NodeUnprepareResourceResponse]:
        """NodeUnprepareResources."""
        with grpc.insecure_channel(f"unix://{self.register().endpoint}") as channel:
            stub: Any = dra_grpc.DRAPluginStub(channel)  # type: ignore[no-untyped-call]
            request = dra.NodeUnprepareResourcesRequest(claims=claims)
            return dict(stub.NodeUnprepareResources(request, timeout=SECONDS).claims)

    @contextmanager
    def watch_health(self, seconds: float = SECONDS) -> Iterator[Iterator[health.NodeWatchResourcesResponse]]:
        """NodeWatchResources: the lists as they come, for at most so long."""
        with grpc.insecure_channel(f"unix://{self.register().endpoint}") as channel:
            stub: Any = health_grpc.DRAResourceHealthStub(channel)  # type: ignore[no-untyped-call]
            yield stub.NodeWatchResources(health.NodeWatchResourcesRequest(), timeout=seconds)
