"""The streams of a test, in this process or spread over several, so that one core is no limit."""

import asyncio
import contextlib
import multiprocessing
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from multiprocessing.connection import Connection

import uvloop

from gharial_client.load.crowd import PATIENCE_SECONDS, Crowd
from gharial_client.load.plan import Level, LoadPlan, share
from gharial_client.load.tally import Tally, merged

Measure = Callable[[Level], Awaitable[Tally]]
# What processes need to hear of a measurement before it begins.
_HEADSTART_SECONDS = 0.05
_START_SECONDS = 30.0
# Files of a process that are no streams.
_OTHER_FILES = 64


@contextlib.asynccontextmanager
async def generators(plan: LoadPlan, processes: int) -> AsyncIterator[Measure]:
    """Gives a function that brings the streams to a level and measures it; streams go on between two calls."""
    if processes == 1:
        async with Crowd(plan) as crowd:
            yield lambda level: crowd.measure(_allowed(level), _begin(level))
        return
    context = multiprocessing.get_context("spawn")  # a fork would inherit the event loop
    pipes, children = [], []
    try:
        for number in range(processes):
            ours, theirs = context.Pipe()
            child = context.Process(target=_child, args=(theirs, plan, number, processes), daemon=True)
            child.start()
            theirs.close()
            pipes.append(ours)
            children.append(child)
        await asyncio.gather(*(_receive(pipe, _START_SECONDS) for pipe in pipes))

        async def measure(level: Level) -> Tally:
            begins = _begin(level)
            for pipe in pipes:
                pipe.send((level, begins))
            longest = begins - time.monotonic() + level.seconds + PATIENCE_SECONDS + _START_SECONDS
            return merged(await asyncio.gather(*(_receive(pipe, longest) for pipe in pipes)))

        yield measure
    finally:
        for pipe in pipes:
            pipe.close()
        for child in children:
            await asyncio.to_thread(child.join, 5.0)
            child.kill()


def _begin(level: Level) -> float:
    return time.monotonic() + _HEADSTART_SECONDS + level.ramp


async def _receive(pipe: Connection, seconds: float) -> Tally:
    """What a child has to say. Raises RuntimeError when it says nothing."""
    try:
        if not await asyncio.to_thread(pipe.poll, seconds):
            raise RuntimeError("a process of the load test hangs; give fewer --streams or more --processes")
        answer = pipe.recv()
    except EOFError as error:
        raise RuntimeError("a process of the load test has died; is there memory enough?") from error
    if isinstance(answer, Exception):
        raise answer
    assert isinstance(answer, Tally)
    return answer


def _child(pipe: Connection, plan: LoadPlan, number: int, processes: int) -> None:
    with contextlib.suppress(KeyboardInterrupt, EOFError, BrokenPipeError):
        uvloop.run(_obey(pipe, plan, number, processes))


async def _obey(pipe: Connection, plan: LoadPlan, number: int, processes: int) -> None:
    """Measures what it is told until the pipe is closed."""
    async with Crowd(plan, number, processes) as crowd:
        pipe.send(Tally(0.0, 0.0))
        while True:
            level, begins = await asyncio.to_thread(pipe.recv)
            mine = Level(share(level.streams, number, processes), level.ramp, level.seconds)
            try:
                pipe.send(await crowd.measure(_allowed(mine), begins))
            except ValueError as error:
                pipe.send(error)


def _allowed(level: Level) -> Level:
    """Lifts the limit of open files as far as the streams need. Raises ValueError where the system forbids it."""
    needed = level.streams + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise ValueError(
                f"{level.streams} streams need {needed} open files and a process may have {hard}; "
                "raise it (ulimit -Hn), or give more --processes"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return level
