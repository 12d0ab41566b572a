"""What a reconciliation works with."""

import functools
from dataclasses import dataclass, field

from gharial_api import names

from gharial_operator.api_client import ApiClient
from gharial_operator.apply import Writer
from gharial_operator.config import OperatorConfig
from gharial_operator.power.keeper import PowerKeeper
from gharial_operator.power.login import connect
from gharial_operator.snapshot.reads import Reads
from gharial_operator.snapshot.shared import SharedReads
from gharial_operator.snapshot.streams import StreamsReader, read_streams
from gharial_operator.work_queue import Key, WorkQueue


@dataclass(frozen=True)
class Context:
    """The operator's parts; nothing in here remembers what must survive a restart."""

    config: OperatorConfig
    client: ApiClient
    writer: Writer
    queue: WorkQueue
    power: PowerKeeper
    reads: Reads
    shared: SharedReads = field(default_factory=SharedReads)
    read_streams: StreamsReader = read_streams
    #: What a pool's models were last told of it, and when, by pool; and the plan that each version of an AsrCardNode
    #: was found to hold already. Both only save work: an operator that starts afresh looks at everything.
    offers: dict[str, tuple[object, float]] = field(default_factory=dict)
    told: dict[str, tuple[int, object]] = field(default_factory=dict)

    @classmethod
    def of(cls, config: OperatorConfig, client: ApiClient, writer: Writer, queue: WorkQueue, reads: Reads) -> "Context":
        """The parts, put together."""
        connected = functools.partial(connect, client, config.namespace)
        keeper = PowerKeeper(connected, lambda pool: queue.wake(Key(names.POOL_KIND, pool)))
        return cls(config, client, writer, queue, keeper, reads)
