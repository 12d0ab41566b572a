"""A sink for the events of an engine's streams."""

import queue
from collections.abc import Sequence

from gharial_server.engine.interface import Answer, Event, Stream

PATIENCE = 60.0


class Listener:
    """A sink that keeps events by stream."""

    def __init__(self) -> None:
        self._queues: dict[int, queue.Queue[Event]] = {}
        self.calls = 0

    def sink(self, events: Sequence[tuple[int, Event]]) -> None:
        self.calls += 1
        for number, event in events:
            self._queues.setdefault(number, queue.Queue()).put(event)

    def next(self, stream: Stream) -> Event:
        return self._queues.setdefault(stream.id, queue.Queue()).get(timeout=PATIENCE)

    def all(self, stream: Stream) -> list[Answer]:
        """Answers up to the closing one."""
        answers: list[Answer] = []
        while not answers or not answers[-1].closing:
            event = self.next(stream)
            assert isinstance(event, Answer)
            answers.append(event)
        return answers
