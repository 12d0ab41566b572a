"""For every test: torch computes on one thread, as beside the other work of a small machine; a test that is a
coroutine runs on an event loop of its own. The real cluster is one
fixture for the whole session. Nothing is faked here."""

import asyncio
import inspect
import os

import pytest
from cluster_fixture import cluster

__all__ = ["cluster"]

os.environ.setdefault("OMP_NUM_THREADS", "1")

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
