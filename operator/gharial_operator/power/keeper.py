"""Watches and switches machines beside the reconciliation: nothing waits for a controller that takes its time.

Each machine on its way has a task that asks its controller in a thread, every few seconds while all is well and less
often while it is not. What it said last is an observation like any other; another answer wakes the pool. Nothing in
here must survive: a new operator asks anew.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from gharial_operator.facts import PowerAnswer
from gharial_operator.policies.rollout.plan import Machine
from gharial_operator.power.controller import Power, PowerController, PowerError, Switch

log = logging.getLogger(__name__)

Connect = Callable[[Machine], Awaitable[PowerController]]
"""Finds a machine's controller and logs in. Raises PowerError."""

POLL_SECONDS = 3.0
LONGEST_PAUSE_SECONDS = 60.0
#: A switch that was asked for and shows no effect is asked for again after so long.
ASK_AGAIN_SECONDS = 30.0

Answer = TypeVar("Answer")


@dataclass
class _Watched:
    """One machine that is being watched. asked: the last switch and when it was asked for, by the monotonic clock."""

    machine: Machine
    wish: Switch | None = None
    asked: tuple[Switch, float] | None = None
    controller: PowerController | None = None
    answer: PowerAnswer | None = None
    failures: int = 0
    nudge: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None


class PowerKeeper:
    """What power controllers said last.

    Args:
        connect: finds a machine's controller.
        wake: called with the name of a pool when one of its machines has another answer.
        poll_seconds: pause between two questions.
    """

    def __init__(self, connect: Connect, wake: Callable[[str], None], poll_seconds: float = POLL_SECONDS) -> None:
        self._connect = connect
        self._wake = wake
        self._poll_seconds = poll_seconds
        self._watched: dict[str, dict[str, _Watched]] = {}

    def answers(self, pool: str) -> Mapping[str, PowerAnswer]:
        """What was heard last of the pool's machines that are on their way, by node."""
        return {node: w.answer for node, w in self._watched.get(pool, {}).items() if w.answer is not None}

    def watch(self, pool: str, machines: Mapping[str, Machine], wishes: Mapping[str, Switch]) -> None:
        """From now on watches these machines of the pool and no others, and asks for these switches and no others."""
        known = self._watched.setdefault(pool, {})
        for node in [node for node, watched in known.items() if machines.get(node) != watched.machine]:
            _end(known.pop(node))
        for node, machine in machines.items():
            if node not in known:
                known[node] = _Watched(machine)
                known[node].task = asyncio.create_task(self._follow(pool, known[node]))
            if known[node].wish != wishes.get(node):
                known[node].wish = wishes.get(node)
                known[node].nudge.set()
        if not known:
            del self._watched[pool]

    def stop(self) -> None:
        """Watches nothing any more."""
        for pool in list(self._watched):
            self.watch(pool, {}, {})

    async def _follow(self, pool: str, watched: _Watched) -> None:
        while True:
            watched.nudge.clear()
            before, watched.answer = watched.answer, await self._look(watched)
            now = watched.answer
            if before is None or (before.power, before.trouble) != (now.power, now.trouble):
                self._wake(pool)
            pause = min(self._poll_seconds * 2**watched.failures, LONGEST_PAUSE_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(watched.nudge.wait(), pause)

    async def _look(self, watched: _Watched) -> PowerAnswer:
        """Asks how the machine is, and for what is wished."""
        try:
            if watched.controller is None:
                watched.controller = await self._connect(watched.machine)
            controller, due = watched.controller, _due(watched)
            if due is not None:
                watched.asked = (due, time.monotonic())
            power = await _in_thread(lambda: _ask(controller, due))
            watched.failures = 0
            return PowerAnswer(power, "", datetime.now(UTC))
        except Exception as error:  # whatever one machine's controller does, it must not end the watch
            if not isinstance(error, PowerError):
                log.exception("%s answers nonsense", watched.machine.controller)
            # The login may have been changed meanwhile, and is read again.
            watched.controller, watched.asked = None, None
            watched.failures = min(watched.failures + 1, 10)
            return PowerAnswer(None, str(error), datetime.now(UTC))


def _due(watched: _Watched) -> Switch | None:
    """The switch to ask for now, if any."""
    if watched.wish is None or watched.asked is None or watched.asked[0] is not watched.wish:
        return watched.wish
    return watched.wish if time.monotonic() - watched.asked[1] >= ASK_AGAIN_SECONDS else None


def _ask(controller: PowerController, switch: Switch | None) -> Power:
    if switch is not None:
        controller.ask(switch)
    return controller.power()


def _end(watched: _Watched) -> None:
    if watched.task is not None:
        watched.task.cancel()


async def _in_thread(work: Callable[[], Answer]) -> Answer:
    """Like asyncio.to_thread, in a thread that does not hold up the end of the process."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Answer] = loop.create_future()

    def settle(answer: Answer | None, error: Exception | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(answer)  # type: ignore[arg-type]

    def run() -> None:
        answer, error = None, None
        try:
            answer = work()
        except Exception as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, answer, error)

    threading.Thread(target=run, name="power", daemon=True).start()
    return await done
