"""For every test: torch computes on one thread, as beside the other work of a small machine; a test that is a
coroutine runs on an event loop of its own; random cases are the same in each run. The real cluster is one fixture for
the whole session. Nothing is faked here."""

import asyncio
import inspect
import os

import pytest
from cluster_fixture import cluster
from gharial_asr.inference.native.build import build as build_kernel
from hypothesis import settings

__all__ = ["cluster"]

os.environ.setdefault("OMP_NUM_THREADS", "1")

# A change is judged by what it does, not by luck. `pytest --hypothesis-profile=search` looks for new cases.
settings.register_profile("same", derandomize=True)
settings.register_profile("search", derandomize=False)
settings.load_profile("same")


def pytest_sessionstart() -> None:
    """Compiles the int8 kernel where its sources changed since the installation."""
    build_kernel()


# A coroutine that waits for what never comes fails after this, in seconds.
LONGEST = 120


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a test that is a coroutine on an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), LONGEST))
    return True
