"""What the operator is told at its start."""

from dataclasses import dataclass

from gharial_api import names


@dataclass(frozen=True)
class OperatorConfig:
    """Settings of one operator process; none of them changes while it runs."""

    namespace: str = names.SYSTEM_NAMESPACE
    server_image: str = "gharial/server:dev"
    #: For pools of GPUs: the same with all that torch needs there.
    cuda_server_image: str = "gharial/server-cuda:dev"
    #: The OTLP collector that server pods send traces to; None for none.
    traces: str | None = None
    image_pull_policy: str = "IfNotPresent"
    http_port: int = 8080
    identity: str = "gharial-operator"
    workers: int = 8
    #: Every pool and model is looked at again after this many seconds, whatever events said.
    resync_seconds: float = 300.0
    #: Streams of a model's pods are read this often.
    streams_seconds: float = 10.0
    lease_seconds: float = 8.0
