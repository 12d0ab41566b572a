"""`gharial agent`: runs the agent of one node, as its DaemonSet does."""

import argparse
import logging
import os
import signal
from pathlib import Path
from types import FrameType

from gharial_api import names
from gharial_wire.licence import load_public_key

from gharial_agent import web
from gharial_agent.agent import Agent, AgentSettings
from gharial_agent.cards.simulated import DEFAULT_ROOT, DEFAULT_TOOL, SimulatedDriver
from gharial_agent.decide.facts import Limits
from gharial_agent.kube import Kube


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
    parser.add_argument("--simulated-root", type=Path, default=DEFAULT_ROOT, help="of simulated cards (%(default)s)")
    parser.add_argument("--flash-tool", default=DEFAULT_TOOL, help="program that flashes them (%(default)s)")
    parser.add_argument("--sysfs", type=Path, help="where simulated cards enumerate; default: under --simulated-root")
    parser.add_argument("--boot-seconds", type=float, default=120.0, help="a card may take to come back (%(default)s)")
    parser.add_argument("--debug", action="store_true", help="log more, and show where errors come from")


def run(arguments: argparse.Namespace) -> int:
    """Runs until SIGTERM; a write that has begun is finished first."""
    level = logging.DEBUG if arguments.debug else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("urllib3").setLevel(logging.INFO)
    agent = make_agent(arguments)

    def stop(number: int, frame: FrameType | None) -> None:
        agent.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server = web.serve(arguments.http_port, agent.pulse)
    agent.run()
    server.shutdown()
    return 0


def make_agent(arguments: argparse.Namespace) -> Agent:
    """The agent that the command line asks for. Raises ValueError with the remedy."""
    if not arguments.node:
        raise ValueError("which node is this? Give --node NAME, or set NODE_NAME (the chart does).")
    key = load_public_key(arguments.public_key.read_bytes()) if arguments.public_key else None
    settings = AgentSettings(
        node=arguments.node,
        namespace=arguments.namespace,
        state=arguments.state / "agent",
        bitstreams=arguments.state / "bitstreams",
        cdi=arguments.cdi,
        kubelet_root=arguments.kubelet_root,
        public_key=key,
        limits=Limits(boot_seconds=arguments.boot_seconds),
    )
    driver = SimulatedDriver(arguments.simulated_root, arguments.sysfs, arguments.flash_tool)
    return Agent(settings, Kube(arguments.kubeconfig), {"simulated": driver})
