"""What a load balancer before the cluster does: new streams go to nodes that take them, and to no other."""

import threading
from itertools import count
from types import TracebackType

from gharial_cluster.demo.site import Site

_LOOK_SECONDS = 1.0


class Entrances:
    """Use it as a context; `url` says for each new stream where it goes in."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._nodes: list[str] = []
        self._turn = count()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="entrances", daemon=True)

    def __enter__(self) -> "Entrances":
        self._look()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ending.set()
        self._thread.join()

    def url(self) -> str:
        """The nodes in turns."""
        nodes = self._nodes
        return self._site.gateway_url(nodes[next(self._turn) % len(nodes)])

    def _watch(self) -> None:
        while not self._ending.wait(_LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        pods = self._site.objects("pods", "envoy-gateway-system", "gateway.envoyproxy.io/owning-gateway-name=gharial")
        ready = {"type": "Ready", "status": "True"}
        fit = [
            pod["spec"]["nodeName"]
            for pod in pods
            if "deletionTimestamp" not in pod["metadata"]
            and any(ready.items() <= condition.items() for condition in pod["status"].get("conditions", []))
        ]
        # None at all would be the cluster's fault: clients then meet what it does with them.
        self._nodes = sorted(fit) or self._nodes
