"""The queue of objects to reconcile."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from gharial_operator import work_queue
from gharial_operator.work_queue import Key, WorkQueue

A, B = Key("AsrCardPool", "a"), Key("AsrCardPool", "b")


def run(scene: Callable[[WorkQueue], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(5):
            await scene(WorkQueue())

    asyncio.run(whole())


def test_an_object_woken_many_times_is_reconciled_once() -> None:
    async def scene(queue: WorkQueue) -> None:
        done: asyncio.Queue[Key] = asyncio.Queue()

        async def reconcile(key: Key) -> float | None:
            done.put_nowait(key)
            return None

        for _ in range(5):
            queue.wake(A)
        queue.wake(B)
        worker = asyncio.create_task(queue.work(reconcile))
        assert [await done.get(), await done.get()] == [A, B]
        worker.cancel()

    run(scene)


def test_an_object_woken_while_it_is_reconciled_is_reconciled_again_and_never_twice_at_a_time() -> None:
    async def scene(queue: WorkQueue) -> None:
        running, most, rounds = 0, 0, 0
        seen = asyncio.Event()

        async def reconcile(key: Key) -> float | None:
            nonlocal running, most, rounds
            running, rounds = running + 1, rounds + 1
            most = max(most, running)
            if rounds == 1:
                queue.wake(key)
            await asyncio.sleep(0)
            running -= 1
            if rounds == 2:
                seen.set()
            return None

        workers = [asyncio.create_task(queue.work(reconcile)) for _ in range(3)]
        queue.wake(A)
        await seen.wait()
        for worker in workers:
            worker.cancel()
        assert (most, rounds) == (1, 2)

    run(scene)


def test_a_failure_is_tried_again_and_stops_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_queue, "FIRST_RETRY_SECONDS", 0.01)

    async def scene(queue: WorkQueue) -> None:
        tries: list[Key] = []
        good = asyncio.Event()

        async def reconcile(key: Key) -> float | None:
            tries.append(key)
            if key == A and tries.count(A) < 3:
                raise OSError("the API server is away")
            if key == A:
                good.set()
            return None

        worker = asyncio.create_task(queue.work(reconcile))
        queue.wake(A)
        queue.wake(B)
        await good.wait()
        worker.cancel()
        assert tries.count(A) == 3 and tries.count(B) == 1

    run(scene)


def test_a_kind_is_woken_as_far_as_it_is_known() -> None:
    async def scene(queue: WorkQueue) -> None:
        done: asyncio.Queue[Key] = asyncio.Queue()

        async def reconcile(key: Key) -> float | None:
            done.put_nowait(key)
            return None

        worker = asyncio.create_task(queue.work(reconcile))
        queue.wake(A)
        queue.wake(B)
        assert [await done.get(), await done.get()] == [A, B]
        queue.forget(A)
        queue.wake_kind("AsrCardPool")
        assert await done.get() == B
        worker.cancel()

    run(scene)


def test_an_alarm_wakes_later_and_an_event_wakes_sooner() -> None:
    async def scene(queue: WorkQueue) -> None:
        done: asyncio.Queue[Key] = asyncio.Queue()
        delays = iter([0.01, None])

        async def reconcile(key: Key) -> float | None:
            done.put_nowait(key)
            return next(delays)

        worker = asyncio.create_task(queue.work(reconcile))
        queue.wake_after(A, 3600)
        queue.wake(A)
        assert [await done.get(), await done.get()] == [A, A]
        worker.cancel()

    run(scene)


def test_pools_come_before_models_that_were_woken_earlier() -> None:
    async def scene(queue: WorkQueue) -> None:
        done: asyncio.Queue[str] = asyncio.Queue()

        async def reconcile(key: Key) -> float | None:
            done.put_nowait(key.name)
            return None

        queue.wake(Key("AsrModel", "first", "default"))
        queue.wake(Key("AsrModel", "second", "default"))
        queue.wake(A)
        worker = asyncio.create_task(queue.work(reconcile))
        assert [await done.get() for _ in range(3)] == ["a", "first", "second"]
        worker.cancel()

    run(scene)


def test_what_took_long_rests_as_long_before_it_is_done_again() -> None:
    now = 0.0
    seconds: list[float] = []

    async def scene() -> None:
        nonlocal now
        queue = WorkQueue(lambda: now)
        done: asyncio.Queue[Key] = asyncio.Queue()

        async def reconcile(key: Key) -> float | None:
            nonlocal now
            now += 0.25
            done.put_nowait(key)
            return None

        def wake_after(key: Key, delay: float) -> None:
            seconds.append(delay)

        worker = asyncio.create_task(queue.work(reconcile))
        queue.wake(A)
        await done.get()
        await asyncio.sleep(0)
        queue.wake_after = wake_after  # type: ignore[method-assign]
        queue.wake(A)
        now += 0.2
        queue.wake(A)
        now += 0.2
        queue.wake(A)
        await done.get()
        worker.cancel()

    asyncio.run(scene())
    assert seconds == [pytest.approx(0.25), pytest.approx(0.05)]
