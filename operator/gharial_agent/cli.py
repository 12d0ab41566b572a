"""`gharial agent`: runs the agent of one node, as its DaemonSet does."""

import argparse
import logging
import os
import signal
import threading
from pathlib import Path
from types import FrameType

from gharial_api import names
from gharial_kube.client import Kube
from gharial_wire.licence import load_public_key

from gharial_agent import web
from gharial_agent.agent import Agent, AgentSettings
from gharial_agent.alone import alone
from gharial_agent.cards import options
from gharial_agent.decide.facts import Limits
from gharial_agent.gpus.agent import GpuAgent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options; the defaults are those of a node."""
    parser.add_argument("--node", default=os.environ.get("NODE_NAME"), help="name of this node; default: $NODE_NAME")
    parser.add_argument("--namespace", default=names.SYSTEM_NAMESPACE, help="of licence Secrets (%(default)s)")
    parser.add_argument("--kubeconfig", type=Path, help="outside a cluster; inside it the service account is used")
    parser.add_argument("--public-key", type=Path, help="the licence issuer's public key (PEM)")
    parser.add_argument("--state", type=Path, default=Path("/var/lib/gharial"), help="lasting state (%(default)s)")
    parser.add_argument("--cdi", type=Path, default=Path("/var/run/cdi"), help="folder of CDI files (%(default)s)")
    parser.add_argument("--kubelet-root", type=Path, default=Path("/var/lib/kubelet"), help="(%(default)s)")
    parser.add_argument("--http-port", type=int, default=8081, help="/healthz, /readyz, /metrics (%(default)s)")
    parser.add_argument("--boot-seconds", type=float, default=120.0, help="a card may take to come back (%(default)s)")
    parser.add_argument(
        "--silence-seconds", type=float, default=60.0, help="until a quiet flash tool is named (%(default)s)"
    )
    parser.add_argument(
        "--gpus", action="store_true", help="read NVIDIA GPUs by NVML and report them; nothing else is managed"
    )
    parser.add_argument("--gpu-seconds", type=float, default=10.0, help="between two looks at GPUs (%(default)s)")
    parser.add_argument("--debug", action="store_true", help="log more, and show where errors come from")
    options.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs until SIGTERM; a write that has begun is finished first."""
    level = logging.DEBUG if arguments.debug else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("urllib3").setLevel(logging.INFO)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: stopping.set())
    if arguments.gpus:
        work(make_gpu_agent(arguments), arguments.http_port)
        return 0
    with alone(arguments.state / "agent", arguments.http_port, stopping) as free:
        if free:
            work(make_agent(arguments), arguments.http_port)
    return 0


def work(agent: Agent | GpuAgent, port: int) -> None:
    """Runs an agent until it is asked to stop."""

    def stop(number: int, frame: FrameType | None) -> None:
        agent.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server = web.serve(port, agent.pulse)
    agent.run()
    server.shutdown()


def make_gpu_agent(arguments: argparse.Namespace) -> GpuAgent:
    """The agent of a node with GPUs. Raises ValueError with the remedy."""
    return GpuAgent(named_node(arguments), Kube(arguments.kubeconfig), arguments.gpu_seconds)


def named_node(arguments: argparse.Namespace) -> str:
    """The node's name. Raises ValueError without one."""
    if not arguments.node:
        raise ValueError("which node is this? Give --node NAME, or set NODE_NAME (the chart does).")
    return str(arguments.node)


def make_agent(arguments: argparse.Namespace) -> Agent:
    """The agent that the command line asks for. Raises ValueError with the remedy."""
    node = named_node(arguments)
    key = load_public_key(arguments.public_key.read_bytes()) if arguments.public_key else None
    settings = AgentSettings(
        node=node,
        namespace=arguments.namespace,
        state=arguments.state / "agent",
        bitstreams=arguments.state / "bitstreams",
        cdi=arguments.cdi,
        kubelet_root=arguments.kubelet_root,
        public_key=key,
        limits=Limits(boot_seconds=arguments.boot_seconds, silence_seconds=arguments.silence_seconds),
    )
    return Agent(settings, Kube(arguments.kubeconfig), options.make_drivers(arguments))
