"""The operator process: watches wake, and the workers of the one elected replica reconcile."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable

from gharial_api import names

from gharial_operator.api_client import ApiClient
from gharial_operator.apply import Writer
from gharial_operator.config import OperatorConfig
from gharial_operator.context import Context
from gharial_operator.fleet import read_fleet
from gharial_operator.http_server import Health, serving_http
from gharial_operator.leadership import Leadership
from gharial_operator.metrics import RECONCILE_SECONDS, RECONCILES
from gharial_operator.reconcile.model import reconcile_model
from gharial_operator.reconcile.pool import reconcile_pool
from gharial_operator.snapshot.reads import ApiReads, Reads
from gharial_operator.watch import Watches
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
    queue = WorkQueue()
    async with ApiClient() as client:
        watches = Watches(client, queue)
        standing = asyncio.Event()

        def reads() -> Reads:
            return watches.store if watches.complete else ApiReads(client)

        health = Health(ready=standing.is_set)
        async with serving_http(config.http_port, health, lambda: read_fleet(reads())):
            context = Context.of(config, client, Writer(client, store=watches.store), queue, watches.store)
            campaign = asyncio.create_task(_campaign(context, watches, ended.set, standing.set))
            campaign.add_done_callback(lambda _: ended.set())
            await ended.wait()
            campaign.cancel()
            await asyncio.gather(campaign, return_exceptions=True)
    return 0 if told.is_set() else 1


async def _campaign(
    context: Context, watches: Watches, on_lost: Callable[[], None], on_standing: Callable[[], None]
) -> None:
    """Stands for election; watches and workers start when it is won and end before the lease is given back.

    A standby holds and watches nothing: the fleet in memory, and every change sent twice, would buy it the seconds that
    a list of the fleet takes.
    """
    tasks: list[asyncio.Task[None]] = []

    async def work() -> None:
        await watches.wait()
        on_standing()
        async with asyncio.TaskGroup() as group:
            for _ in range(context.config.workers):
                group.create_task(context.queue.work(lambda key: _reconcile(context, key)))

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            log.error("stopped working", exc_info=task.exception())
            on_lost()

    async def start() -> None:
        for task in (asyncio.create_task(watches.run()), asyncio.create_task(work())):
            task.add_done_callback(ended)
            tasks.append(task)

    def lose() -> None:
        for task in tasks:
            task.cancel()
        context.power.stop()
        on_lost()

    async def end() -> None:
        lose()
        await asyncio.gather(*tasks, return_exceptions=True)

    config = context.config
    leadership = Leadership(context.client, config.namespace, config.identity, config.lease_seconds)
    await leadership.run(start, lose, end, on_standing)


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
