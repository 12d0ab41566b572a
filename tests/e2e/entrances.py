"""A load balancer before the cluster: new streams go to nodes that take them, and to no other."""

import asyncio
import contextlib
import threading
from itertools import count
from types import TracebackType

from gharial_cluster.demo.site import GATEWAY_NODE_PORT, STREAM_PATH, Site

_LOOK_SECONDS = 1.0
#: A node that does not take a connection within this time is passed over, as one that lost its power just now.
_CONNECT_SECONDS = 1.0


class Entrances:
    """Use it as a context; streams go in at `url`, and on through the nodes with a ready gateway, in turns."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._nodes: list[str] = []
        self._turn = count()
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._watching = threading.Thread(target=self._watch, name="entrances", daemon=True)
        self._serving = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)
        self._ended = threading.Event()
        self._ending: asyncio.Event | None = None
        self.url = ""

    def __enter__(self) -> "Entrances":
        self._look()
        self._watching.start()
        self._serving.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._ending is not None
        self._ended.set()
        self._loop.call_soon_threadsafe(self._ending.set)
        self._serving.join()
        self._watching.join()

    async def _serve(self) -> None:
        self._ending = asyncio.Event()
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}{STREAM_PATH}"
        self._started.set()
        await self._ending.wait()
        server.close()

    async def _pass_on(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        """One connection of a client; it is closed where no node takes it."""
        with contextlib.closing(client_out):
            found = await self._a_node()
            if found is None:
                return
            node_in, node_out = found
            with contextlib.closing(node_out), contextlib.suppress(OSError):
                await asyncio.gather(_pump(client_in, node_out), _pump(node_in, client_out))

    async def _a_node(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        nodes, first = self._nodes, next(self._turn)
        for turn in range(len(nodes)):
            address = self._site.cluster.node_ip(nodes[(first + turn) % len(nodes)])
            with contextlib.suppress(OSError, TimeoutError):
                return await asyncio.wait_for(asyncio.open_connection(address, GATEWAY_NODE_PORT), _CONNECT_SECONDS)
        return None

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
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


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Passes bytes on up to their end; then the other side is told so."""
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    sink.write_eof()
