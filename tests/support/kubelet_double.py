"""What the kubelet does with a DRA plugin, over the same sockets with the same stubs."""

from pathlib import Path
from typing import Any

import grpc
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
