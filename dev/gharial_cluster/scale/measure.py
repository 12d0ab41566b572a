"""The measurement itself: everything reconciled, a minute of nothing, then one card after the other."""

import functools
import math
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gharial_agent.mirror import Mirror
from gharial_kube.client import JsonObject
from gharial_server.bench.machine import this_machine

from gharial_cluster.scale import manifests
from gharial_cluster.scale.agents import Agents, address
from gharial_cluster.scale.settings import ScaleResult, ScaleSettings
from gharial_cluster.scale.stand import Stand, await_until, count, standing

Tell = Callable[[str], None]
"""Says how far the measurement is."""

_OURS = "/apis/asr.gharial.dev/v1alpha1"
_POOLS = f"{_OURS}/asrcardpools"
_MODELS = f"{_OURS}/namespaces/default/asrmodels"
#: What each model is made of here, where there is no gateway.
_CHILDREN = (
    "/apis/apps/v1/namespaces/default/deployments",
    "/apis/resource.k8s.io/v1/namespaces/default/resourceclaimtemplates",
    "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
)
_PATIENCE = 600.0
_QUIET_SECONDS = 5.0
_CALLERS = 8
_TROUBLE = "The link is down."


def measure(settings: ScaleSettings, folder: Path, tell: Tell) -> ScaleResult:
    """One whole run in `folder`, with nothing left behind.

    Raises:
        RuntimeError: a part of the stand failed, or something never came to be.
    """
    machine = this_machine()
    with standing(folder) as stand:
        agents = Agents(stand.kube, settings.cards)
        agents.start()
        try:
            _make(stand, "/api/v1/nodes", [manifests.node(f"node-{n}") for n in range(settings.nodes)])
            tell(f"{settings.nodes} nodes")
            _await_ready_nodes(stand, settings.nodes)
            watched = _Watched(stand)
            requests, cpu = stand.requests(), stand.cpu_seconds()
            reconcile_seconds = _reconcile(stand, agents, watched, settings)
            tell(f"reconciled in {reconcile_seconds:.1f} s; {stand.memory_mb():.0f} MB")
            reconcile_requests, reconcile_cpu = stand.requests() - requests, stand.cpu_seconds() - cpu
            _await_quiet(stand)
            idle_writes, requests, cpu = stand.writes(), stand.requests(), stand.cpu_seconds()
            began = time.monotonic()
            time.sleep(settings.idle_seconds)
            idle = (stand.requests() - requests) / (time.monotonic() - began)
            idle_writes, idle_cpu = stand.writes() - idle_writes, stand.cpu_seconds() - cpu
            memory = stand.memory_mb()
            tell(f"idle with {idle:.2f} requests a second")
            cpu = stand.cpu_seconds()
            seconds = sorted(_changes(stand, agents, watched, settings))
            return ScaleResult(
                reconcile_seconds=round(reconcile_seconds, 2),
                operator_rss_mb=round(memory, 1),
                idle_requests_per_second=round(idle, 3),
                change_p99_seconds=round(_percentile(seconds, 0.99), 4),
                change_p50_seconds=round(_percentile(seconds, 0.5), 4),
                operator_peak_mb=round(stand.memory_mb("VmHWM"), 1),
                idle_writes=idle_writes,
                reconcile_requests=reconcile_requests,
                reconcile_cpu_seconds=round(reconcile_cpu, 2),
                idle_cpu_seconds=round(idle_cpu, 2),
                change_cpu_seconds=round(stand.cpu_seconds() - cpu, 2),
                settings=settings,
                machine=machine,
            )
        finally:
            agents.stop()


class _Watched:
    """What a user's watch shows of pools and models."""

    def __init__(self, stand: Stand) -> None:
        self._changed = threading.Event()
        self.pools = Mirror(stand.kube, _POOLS, self._changed.set)
        self.models = Mirror(stand.kube, _MODELS, lambda: None)
        for mirror in (self.pools, self.models):
            mirror.start()
            mirror.synced.wait(60)

    def await_pool(self, check: Callable[[JsonObject], bool], seconds: float) -> float:
        """The monotonic time at which the pool's status was seen to be so."""
        deadline = time.monotonic() + seconds
        while True:
            self._changed.clear()
            pool = self.pools.objects().get(manifests.POOL, {})
            if check(pool.get("status", {})):
                return time.monotonic()
            if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                raise RuntimeError(f"the pool's status did not follow within {seconds:.0f} s: {pool.get('status')}")


def _make(stand: Stand, path: str, objects: list[JsonObject]) -> None:
    with ThreadPoolExecutor(_CALLERS) as callers:
        list(callers.map(lambda body: stand.kube.create(path, body), objects))


def _await_ready_nodes(stand: Stand, nodes: int) -> None:
    def ready() -> bool:
        items = stand.kube.get("/api/v1/nodes", resourceVersion="0")["items"]
        conditions = [c for item in items for c in item.get("status", {}).get("conditions") or []]
        return bool(sum(c["type"] == "Ready" and c["status"] == "True" for c in conditions) >= nodes)

    await_until(ready, _PATIENCE, stand.check, "kwok's nodes are not ready")


def _reconcile(stand: Stand, agents: Agents, watched: _Watched, settings: ScaleSettings) -> float:
    """Makes the pool and the models; returns after how many seconds all of them are as they shall be."""
    began = time.monotonic()
    _make(stand, _POOLS, [manifests.pool()])
    _make(stand, _MODELS, [manifests.model(f"model-{n}") for n in range(settings.models)])

    def done() -> bool:
        nodes, models = agents.mirror.objects().values(), watched.models.objects().values()
        pool = watched.pools.objects().get(manifests.POOL, {})
        return bool(
            len(nodes) == settings.nodes
            and all(_observed(node) and node["spec"]["rollout"]["state"] == "Done" for node in nodes)
            and len(models) == settings.models
            and all(_observed(model) and model["status"].get("conditions") for model in models)
            and _observed(pool)
            and pool["status"]["cards"].get("ready") == settings.nodes * settings.cards
        )

    await_until(done, _PATIENCE, stand.check, "not everything is reconciled")
    seconds = time.monotonic() - began
    made = {path: count(stand.kube, path) for path in _CHILDREN}
    if set(made.values()) != {settings.models}:
        raise RuntimeError(f"{settings.models} models are reconciled, but these objects are there: {made}")
    return seconds


def _observed(live: JsonObject) -> bool:
    seen = live.get("status", {}).get("observedGeneration", 0)
    return bool(seen == live.get("metadata", {}).get("generation"))


def _await_quiet(stand: Stand) -> None:
    """Returns when the operator has written nothing for some seconds."""
    last, since = stand.writes(), time.monotonic()

    def quiet() -> bool:
        nonlocal last, since
        now = stand.writes()
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(0.5)
        return time.monotonic() - since > _QUIET_SECONDS

    await_until(quiet, _PATIENCE, stand.check, "the operator does not come to rest")


def _changes(stand: Stand, agents: Agents, watched: _Watched, settings: ScaleSettings) -> list[float]:
    """Turns one card after the other ill and well again; returns how long each took to show."""
    chance, seconds = random.Random(0), []
    total = settings.nodes * settings.cards
    for number in range(settings.changes):
        stand.check()
        ill = number % 2 == 0
        if ill:
            node, card = f"node-{chance.randrange(settings.nodes)}", chance.randrange(settings.cards)
        label = f"{node} {address(card)}"
        began = agents.turn(node, card, _TROUBLE if ill else "")
        seen = watched.await_pool(functools.partial(_shows, label, ill, total), 60)
        seconds.append(seen - began)
        time.sleep(chance.uniform(0.1, 0.5))
    return seconds


def _shows(label: str, ill: bool, total: int, status: JsonObject) -> bool:
    """Whether the pool counts the card out and names it, or has it back."""
    degraded: JsonObject = next((c for c in status.get("conditions", []) if c["type"] == "Degraded"), {})
    named = degraded.get("status") == "True" and label in degraded.get("message", "")
    return bool(named == ill and status["cards"].get("ready") == total - ill)


def _percentile(ordered: list[float], part: float) -> float:
    """The smallest value that so large a part of the values does not exceed."""
    return ordered[math.ceil(part * len(ordered)) - 1]
