"""The operator process: kopf watches and wakes, one elected replica works."""

import asyncio
import logging
import signal
import time
from typing import Any

import kopf
from gharial_api import names

from gharial_operator.api_client import ApiClient, credentials
from gharial_operator.apply import Writer
from gharial_operator.config import OperatorConfig
from gharial_operator.context import Context
from gharial_operator.handlers import register
from gharial_operator.handlers.children import narrow
from gharial_operator.http_server import Heart, start_http
from gharial_operator.leadership import Leadership
from gharial_operator.metrics import RECONCILE_SECONDS, RECONCILES
from gharial_operator.reconcile.model import reconcile_model
from gharial_operator.reconcile.pool import reconcile_pool
from gharial_operator.work_queue import Key, WorkQueue

log = logging.getLogger(__name__)

_RECONCILERS = {names.POOL_KIND: reconcile_pool, names.MODEL_KIND: reconcile_model}


async def run_operator(config: OperatorConfig) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit status, which is 1 after losing the lease."""
    stop, lost = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    settings = _settings()
    heart = Heart()
    http = await start_http(config.http_port, heart)
    try:
        async with ApiClient(settings) as client:
            context = Context(config, client, Writer(client), WorkQueue())
            leadership = Leadership(client, config.namespace, config.identity, config.lease_seconds)

            def on_lost() -> None:
                lost.set()
                stop.set()

            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(_watch(context, settings, stop, heart))
                campaign = tasks.create_task(_campaign(context, leadership, on_lost))
                beating = tasks.create_task(_beat(heart))
                await stop.wait()
                for task in (campaign, beating):
                    task.cancel()
                await watching
    finally:
        await http.cleanup()
    return 1 if lost.is_set() else 0


async def _campaign(context: Context, leadership: Leadership, on_lost: Any) -> None:
    """Runs the election; the workers live as long as this task and start when it is won."""
    workers: list[asyncio.Task[None]] = []

    async def on_start() -> None:
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

    # The lease is given back only after the last worker has stopped.
    await leadership.run(on_start, lose, end)


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


async def _watch(context: Context, settings: kopf.OperatorSettings, stop: asyncio.Event, heart: Heart) -> None:
    """kopf's watches: every replica has them, so that a standby knows what to do when it takes over."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(_login)
    register(registry)
    ready = asyncio.Event()

    async def mark() -> None:
        await ready.wait()
        heart.started = True

    marker = asyncio.create_task(mark())
    try:
        await kopf.operator(
            registry=registry,
            settings=settings,
            clusterwide=True,
            standalone=True,
            stop_flag=stop,
            ready_flag=ready,
            memo=context,
        )
    finally:
        marker.cancel()
        stop.set()


async def _login(settings: kopf.OperatorSettings, **_: Any) -> kopf.ConnectionInfo:
    return credentials(settings)


def _settings() -> kopf.OperatorSettings:
    """kopf only watches: it posts no events, elects nobody and keeps nothing on the objects."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.watching.chunk_size = 500
    narrow(settings)
    return settings


async def _beat(heart: Heart) -> None:
    while True:
        heart.beat()
        await asyncio.sleep(5)
