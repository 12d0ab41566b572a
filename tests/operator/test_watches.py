"""What the operator holds of the cluster follows a real API server, by kopf's watches and by our own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from api_server import Api
from gharial_operator import watch
from gharial_operator.api_client import ApiClient
from gharial_operator.snapshot import views
from gharial_operator.watch import Watches
from gharial_operator.work_queue import WorkQueue
from manifests import changed, model, pool

POOLS = "/apis/asr.gharial.dev/v1alpha1/asrcardpools"
MODELS = "/apis/asr.gharial.dev/v1alpha1/namespaces/default/asrmodels"
NODES = "/api/v1/nodes"


@asynccontextmanager
async def watching() -> AsyncIterator[Watches]:
    async with ApiClient() as client:
        watches = Watches(client, WorkQueue())
        task = asyncio.create_task(watches.run())
        try:
            await asyncio.wait_for(watches.wait(), 60)
            yield watches
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def becomes(look: Callable[[], Awaitable[Any]], wanted: Any, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while await look() != wanted:  # noqa: ASYNC110 - the store wakes reconciliations, not readers
            await asyncio.sleep(0.05)


def replicas(watches: Watches) -> Callable[[], Awaitable[Any]]:
    async def look() -> Any:
        seen = await watches.store.get(views.MODELS, "english", "default")
        return seen and seen.value.spec.replicas

    return look


@pytest.fixture(autouse=True)
def as_operator(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))


async def test_kopf_tells_of_models_that_come_change_and_go(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    # No list of ours can be what saw them.
    monkeypatch.setattr(watch, "KOPF_FIRST_SECONDS", 600.0)
    api.request("POST", POOLS, pool("first"))
    async with watching() as watches:
        # Nor one that follows upon kopf's own first.
        await asyncio.sleep(3)
        api.request("POST", MODELS, model())
        await becomes(replicas(watches), 1)
        api.merge(f"{MODELS}/english", {"spec": {"replicas": 3}})
        await becomes(replicas(watches), 3)
        api.delete(f"{MODELS}/english")
        await becomes(replicas(watches), None)
    api.delete(f"{POOLS}/first")


async def test_a_model_that_went_while_kopf_did_not_look_goes_with_the_next_list(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "KOPF_FIRST_SECONDS", 2.0)
    ghost = changed(model(), "metadata.uid", "ghost")
    ghost["metadata"] |= {"resourceVersion": "1"}
    async with watching() as watches:
        watches.store.put(views.MODELS, ghost)
        assert await replicas(watches)() == 1
        await becomes(replicas(watches), None)


async def test_nodes_are_watched_too(api: Api) -> None:
    async def names() -> list[str]:
        return [seen.name for seen in await watches.store.list(views.NODES)]

    async with watching() as watches:
        api.request("POST", NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-w"}})
        await becomes(names, ["node-w"])
        api.delete(f"{NODES}/node-w")
        await becomes(names, [])
