"""What a reconciliation works with."""

from dataclasses import dataclass, field

from gharial_operator.api_client import ApiClient
from gharial_operator.apply import Writer
from gharial_operator.config import OperatorConfig
from gharial_operator.snapshot.shared import SharedReads
from gharial_operator.snapshot.streams import StreamsReader, read_streams
from gharial_operator.work_queue import WorkQueue


@dataclass(frozen=True)
class Context:
    """The operator's parts; nothing in here remembers what must survive a restart."""

    config: OperatorConfig
    client: ApiClient
    writer: Writer
    queue: WorkQueue
    shared: SharedReads = field(default_factory=SharedReads)
    read_streams: StreamsReader = read_streams
