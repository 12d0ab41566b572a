"""The command kubectl-gharial: kubectl finds it on PATH as `kubectl gharial`."""

import argparse
import sys
from collections.abc import Callable, Sequence

from gharial_api import names

from gharial_admin.check_cli import add_cluster_arguments
from gharial_admin.plugin import changes, rollout, status

PROGRAM = "kubectl gharial"
USAGE_ERROR = 2
Verb = Callable[[argparse.Namespace], int]
_STATUSES = "Exit status: 0 every node has the bitstream, 3 under way, 4 stopped until a person acts, 1 error."


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Speech cards at a glance, and the ways to step into a rollout.",
        epilog="What is wrong with the installation, and a bundle for support: gharial check",
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    shown = _verb(verbs, "status", "what is wrong, then pools, nodes and models on one screen", status.status)
    shown.add_argument(
        "--system-namespace", default=names.SYSTEM_NAMESPACE, help="of operator and agents (%(default)s)"
    )
    _verb(verbs, "cards", "every card: address, id, bitstream, licence, health, streams, phase, why", status.cards)
    ways = verbs.add_parser("rollout", help="how a bitstream reaches the nodes: status, pause, resume, undo, retry")
    steps = ways.add_subparsers(dest="step", required=True, metavar="STEP")
    told = _verb(steps, "status", "per node where it stands, since when, and why", rollout.status, epilog=_STATUSES)
    told.add_argument("-w", "--watch", action="store_true", help="tell each change until it is done or stopped")
    told.add_argument("--timeout", type=float, metavar="SECONDS", help="with --watch: no longer than this")
    _verb(steps, "pause", "stop before the next node; what is being flashed is finished", changes.pause)
    _verb(steps, "resume", "go on", changes.resume)
    back = _verb(steps, "undo", "back to the last bitstream with which the pool was whole", changes.undo)
    back.add_argument("--to", metavar="VERSION", help="another one that is known as good")
    _verb(steps, "retry", "forgive all failures: quarantined nodes are tried again", changes.retry)
    return top


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str, run: Verb, epilog: str = ""
) -> argparse.ArgumentParser:
    made = verbs.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", epilog=epilog)
    made.add_argument("pool", nargs="?", metavar="POOL", help="one AsrCardPool")
    made.add_argument("-n", "--namespace", help="of models; all when not given")
    made.add_argument("-A", "--all-namespaces", action="store_true", help="what it does anyway without -n")
    made.add_argument("-o", "--output", choices=("json", "table"), default="table", help="json for programs")
    made.add_argument("--json", dest="output", action="store_const", const="json", help="the same as -o json")
    add_cluster_arguments(made)
    made.set_defaults(run=run)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb and returns the exit status."""
    arguments = parser().parse_args(argv)
    run: Verb = arguments.run
    try:
        return run(arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except (OSError, ValueError, RuntimeError) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1
