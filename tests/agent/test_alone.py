"""Two agents of a node never work at a time."""

import select
import subprocess
import sys
import threading
from pathlib import Path

from gharial_agent.alone import alone

AGENT = """
import sys, threading
from pathlib import Path
from gharial_agent.alone import alone
with alone(Path(sys.argv[1]), 0, threading.Event()):
    print("works", flush=True)
    sys.stdin.read()
"""


def agent(folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", AGENT, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def works(process: "subprocess.Popen[str]", seconds: float) -> bool:
    assert process.stdout is not None
    return bool(select.select([process.stdout], [], [], seconds)[0]) and process.stdout.readline() == "works\n"


def test_the_second_agent_waits_until_the_first_is_dead(tmp_path: Path) -> None:
    first = agent(tmp_path)
    assert works(first, 30)
    with agent(tmp_path) as second:
        assert not works(second, 1)
        first.kill()
        first.communicate()
        assert works(second, 30)
        second.communicate()


def test_an_agent_that_waits_may_be_asked_to_leave(tmp_path: Path) -> None:
    stopping = threading.Event()
    stopping.set()
    with agent(tmp_path) as first:
        assert works(first, 30)
        with alone(tmp_path, 0, stopping) as free:
            assert not free
        first.communicate()
