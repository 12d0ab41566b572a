"""Keeps a child process alive: starts it, and starts it again when it dies, unless that does not help."""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence

log = logging.getLogger(__name__)

# A process that dies more often than this within the time is not started again.
MOST_DEATHS, WITHIN_SECONDS = 3, 60.0
# How long a process that was told to end is waited for, in seconds.
END_SECONDS = 10.0


def is_hopeless(deaths: Sequence[float], now: float) -> bool:
    """Whether a process that died at these times (seconds) is not worth another start."""
    return sum(now - death < WITHIN_SECONDS for death in deaths) >= MOST_DEATHS


class Keeper:
    """One child: `python -m MODULE ARGUMENTS…`, with the first line of its standard input.

    The input stays open while this process lives, so that the child learns when it is gone. The child says `ready` on
    its standard output when it can do its work, and `failed` and why before it ends for a reason. One that could not
    become ready is not started again: what kept it from it will keep it again.
    """

    def __init__(
        self, name: str, module: str, arguments: Sequence[str], first_line: bytes, descriptors: Sequence[int]
    ) -> None:
        self.ready = asyncio.Event()
        self.process: asyncio.subprocess.Process | None = None
        self._name = name
        self._command = (sys.executable, "-m", module, *arguments)
        self._first_line = first_line
        self._descriptors = tuple(descriptors)
        self._deaths: list[float] = []
        self._ending = False

    async def run(self) -> None:
        """Keeps the child until it exits with 0 or is told to end. Raises RuntimeError with the child's reason when it
        does not become ready, or dies again and again."""
        try:
            while not self._ending:
                reason = await self._live()
                if self._ending or reason is None:
                    return
                was_ready = self.ready.is_set()
                self.ready.clear()
                log.error("a process has died", extra={"child": self._name, "reason": reason})
                if not was_ready:
                    raise RuntimeError(
                        f"{self._died}: it has stopped and cannot start again: {reason}" if self._deaths else reason
                    )
                self._deaths.append(time.monotonic())
                if is_hopeless(self._deaths, time.monotonic()):
                    raise RuntimeError(f"{self._died}: it has stopped {MOST_DEATHS} times within a minute: {reason}")
        finally:
            await self.end()

    def signal(self, number: signal.Signals) -> None:
        """Passes a signal on; from now on the child is not started again."""
        self._ending = True
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)

    async def end(self) -> None:
        """Ends the child by the end of its input, and by force when that does not help."""
        self._ending = True
        child = self.process
        if child is None or child.returncode is not None:
            return
        assert child.stdin is not None
        child.stdin.close()
        try:
            await asyncio.wait_for(child.wait(), END_SECONDS)
        except TimeoutError:
            child.kill()
            await child.wait()

    @property
    def _died(self) -> str:
        return f"{self._name.capitalize()}Failed"

    async def _live(self) -> str | None:
        """One life of the child: None when it ended well, else why it died."""
        pipe = asyncio.subprocess.PIPE
        child = self.process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=pipe,
            stdout=pipe,
            pass_fds=self._descriptors,
            process_group=0,  # a Ctrl-C in a terminal is for the parent, which passes it on
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(self._first_line)
        log.info("process started", extra={"child": self._name, "pid": child.pid})
        reason = ""
        async for line in child.stdout:
            word, _, rest = line.decode(errors="replace").strip().partition(" ")
            if word == "ready":
                self.ready.set()
            elif word == "failed":
                reason = rest
        status = await child.wait()
        if status == 0:
            return None
        return reason or (f"it was killed by signal {-status}" if status < 0 else f"it ended with status {status}")
