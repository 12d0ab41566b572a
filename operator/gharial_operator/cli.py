"""`gharial operator`: runs the operator."""

import argparse
import asyncio
import logging
import os
import socket

from gharial_operator.config import OperatorConfig
from gharial_operator.process import run_operator

_DEFAULT = OperatorConfig()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options; each default may also come from the environment, where the help names it."""
    environment = os.environ
    parser.add_argument(
        "--namespace",
        default=environment.get("GHARIAL_NAMESPACE", _DEFAULT.namespace),
        help="namespace of the operator's Lease, licences and bitstreams (GHARIAL_NAMESPACE; %(default)s)",
    )
    parser.add_argument(
        "--server-image",
        default=environment.get("GHARIAL_SERVER_IMAGE", _DEFAULT.server_image),
        help="image of the server pods (GHARIAL_SERVER_IMAGE; %(default)s)",
    )
    parser.add_argument(
        "--cuda-server-image",
        default=environment.get("GHARIAL_CUDA_SERVER_IMAGE", _DEFAULT.cuda_server_image),
        help="image of the server pods on GPUs (GHARIAL_CUDA_SERVER_IMAGE; %(default)s)",
    )
    parser.add_argument(
        "--traces",
        metavar="URL",
        default=environment.get("GHARIAL_TRACES"),
        help="OTLP collector of the server pods' traces, such as http://collector:4318 (GHARIAL_TRACES; none)",
    )
    parser.add_argument(
        "--image-pull-policy",
        choices=["Always", "IfNotPresent", "Never"],
        default=_DEFAULT.image_pull_policy,
        help="how server pods get their image (%(default)s)",
    )
    parser.add_argument(
        "--http-port",
        type=int,
        default=_DEFAULT.http_port,
        help="port of /healthz, /readyz and /metrics (%(default)s)",
    )
    parser.add_argument(
        "--identity",
        default=environment.get("HOSTNAME") or f"{socket.gethostname()}-{os.getpid()}",
        help="name of this replica in the leader election (HOSTNAME; %(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=_DEFAULT.workers,
        help="objects reconciled at a time (%(default)s)",
    )
    parser.add_argument(
        "--lease-seconds",
        type=float,
        default=_DEFAULT.lease_seconds,
        help="how long a dead leader blocks the standby (%(default)s)",
    )
    parser.add_argument("--debug", action="store_true", help="log more, and show tracebacks")


def run(arguments: argparse.Namespace) -> int:
    """Runs the operator until it is told to stop."""
    logging.basicConfig(
        level=logging.DEBUG if arguments.debug else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for noisy in ("kopf", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.DEBUG if arguments.debug else logging.WARNING)
    config = OperatorConfig(
        namespace=arguments.namespace,
        server_image=arguments.server_image,
        cuda_server_image=arguments.cuda_server_image,
        traces=arguments.traces,
        image_pull_policy=arguments.image_pull_policy,
        http_port=arguments.http_port,
        identity=arguments.identity,
        workers=arguments.workers,
        lease_seconds=arguments.lease_seconds,
    )
    return asyncio.run(run_operator(config))
