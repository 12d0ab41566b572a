"""The operator process: watches wake, and the workers of the one elected replica reconcile."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable

import kopf
from gharial_api import names

from gharial_operator.api_client import ApiClient
from gharial_operator.apply import Writer
from gharial_operator.config import OperatorConfig
from gharial_operator.context import Context
from gharial_operator.fleet import read_fleet
from gharial_operator.handlers import register
from gharial_operator.handlers.children import narrow
from gharial_operator.http_server import Health, serving_http
from gharial_operator.leadership import Leadership
from gharial_operator.metrics import RECONCILE_SECONDS, RECONCILES
from gharial_operator.reconcile.model import reconcile_model
from gharial_operator.reconcile.pool import reconcile_pool
from gharial_operator.watch import Waker, Watches
from gharial_operator.work_queue import Key, WorkQueue

log = logging.getLogger(__name__)

_RECONCILERS = {names.POOL_KIND: reconcile_pool, names.MODEL_KIND: reconcile_model}


async def run_operator(config: OperatorConfig) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit status, which is 1 when it ended for another reason."""
    told, ended = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        told.set()
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    settings = watch_settings()
    queue = WorkQueue()
    registry = kopf.OperatorRegistry()
    register(registry)
    watches = Watches(Waker(loop, queue), registry, settings, ended.set)
    try:
        async with (
            ApiClient(settings) as client,
            serving_http(config.http_port, Health(ready=lambda: watches.ready), lambda: read_fleet(client)),
        ):
            context = Context(config, client, Writer(client), queue)
            watches.start()
            campaign = asyncio.create_task(_campaign(context, ended.set))
            await ended.wait()
            campaign.cancel()
            await asyncio.gather(campaign, return_exceptions=True)
    finally:
        await watches.stop()
    return 0 if told.is_set() else 1


async def _campaign(context: Context, on_lost: Callable[[], None]) -> None:
    """Stands for election; the workers start when it is won and end before the lease is given back."""
    workers: list[asyncio.Task[None]] = []

    async def start() -> None:
        for _ in range(context.config.workers):
            workers.append(asyncio.create_task(context.queue.work(lambda key: _reconcile(context, key))))

    async def end() -> None:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    def lose() -> None:
        for worker in workers:
            worker.cancel()
        on_lost()

    config = context.config
    leadership = Leadership(context.client, config.namespace, config.identity, config.lease_seconds)
    await leadership.run(start, lose, end)


async def _reconcile(context: Context, key: Key) -> float | None:
    """One reconciliation, counted and timed."""
    began = time.monotonic()
    result = "failed"
    try:
        delay = await _RECONCILERS[key.kind](context, key)
        result = "done"
        return delay
    finally:
        RECONCILES.labels(key.kind, result).inc()
        RECONCILE_SECONDS.labels(key.kind).observe(time.monotonic() - began)


def watch_settings() -> kopf.OperatorSettings:
    """kopf only watches: it posts no events, elects nobody and keeps nothing on the objects."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.watching.chunk_size = 500
    narrow(settings)
    return settings
