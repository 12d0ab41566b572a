"""Tells the kubelet how each card is, so that a pod's own status says what is wrong with its card.

The kubelet opens one stream (k8s.io/kubelet, dra-health/v1alpha1) and calls a device Unknown of which it hears nothing
for 30 s: the whole list is sent on every change and again in between. Health alone evicts nobody; taints do that.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import grpc

from gharial_agent.decide.facts import CardFacts
from gharial_agent.decide.verdict import Verdict
from gharial_agent.dra.kubelet import dra_health_v1alpha1_pb2 as health
from gharial_agent.dra.kubelet import dra_health_v1alpha1_pb2_grpc as health_grpc
from gharial_agent.dra.slices import device_name
from gharial_agent.status import health_message, health_of

#: What the plugin registers beside the DRA service itself; a kubelet that does not know it ignores it.
SERVICE = "v1alpha1.DRAResourceHealth"
#: The list is sent at least this often, well within the kubelet's 30 s.
REPEAT_SECONDS = 10.0
LONGEST_MESSAGE = 1024
_WORDS = {"Healthy": health.HEALTHY, "Unhealthy": health.UNHEALTHY, "Unknown": health.UNKNOWN}


@dataclass(frozen=True)
class DeviceHealth:
    """How one card is; the message says what is wrong with an unhealthy one."""

    device: str
    status: str
    message: str


def device_health(cards: Sequence[CardFacts], verdicts: Mapping[str, Verdict]) -> tuple[DeviceHealth, ...]:
    """The health of all cards that are published as devices."""
    return tuple(
        DeviceHealth(
            device_name(facts.unique_id),
            health_of(facts),
            health_message(facts, verdicts[facts.unique_id]) or "",
        )
        for facts in cards
    )


class HealthService(health_grpc.DRAResourceHealthServicer):
    """Serves the last list that was told. `node` is the pool that the devices are published in."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._changed = threading.Condition()
        self._cards: tuple[DeviceHealth, ...] | None = None
        self._looked_at = 0.0
        self._stopped = False

    def tell(self, cards: tuple[DeviceHealth, ...], now: float) -> None:
        """What the agent has just seen; now: seconds since 1970."""
        with self._changed:
            self._looked_at = now
            if cards != self._cards:
                self._cards = cards
                self._changed.notify_all()

    def stop(self) -> None:
        """Ends all streams."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def NodeWatchResources(  # noqa: N802
        self, request: health.NodeWatchResourcesRequest, context: grpc.ServicerContext
    ) -> Iterator[health.NodeWatchResourcesResponse]:
        """The whole list now, on every change, and every REPEAT_SECONDS with the time of the last look."""
        context.add_callback(self._wake)
        sent: tuple[DeviceHealth, ...] | None = None
        while context.is_active():
            with self._changed:
                deadline = time.monotonic() + REPEAT_SECONDS
                while self._cards == sent and not self._stopped and context.is_active():
                    if not self._changed.wait(deadline - time.monotonic()):
                        break
                if self._stopped:
                    return
                sent = self._cards
                answer = self._answer()
            if sent is not None:
                yield answer

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _answer(self) -> health.NodeWatchResourcesResponse:
        return health.NodeWatchResourcesResponse(
            devices=[
                health.DeviceHealth(
                    device=health.DeviceIdentifier(pool_name=self._node, device_name=card.device),
                    health=_WORDS[card.status],
                    last_updated_time=int(self._looked_at),
                    message=card.message[:LONGEST_MESSAGE],
                )
                for card in self._cards or ()
            ]
        )
