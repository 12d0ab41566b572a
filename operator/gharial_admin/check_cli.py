"""`gharial check`: says what is wrong with a cluster's Gharial and what to do, and packs what support needs."""

import argparse
import json
import sys
from pathlib import Path

from gharial_api import names
from gharial_kube.client import Kube, context_namespace

from gharial_admin import report
from gharial_admin.bundle import redact_all, summary, write_bundle
from gharial_admin.findings import examine
from gharial_admin.findings.cluster import cluster
from gharial_admin.looking.look import NotReachedError, look_at_all
from gharial_admin.looking.snapshot import Snapshot
from gharial_admin.terminal import Paper

#: One request takes no longer than this, in seconds.
REQUEST_SECONDS = 15.0
_EPILOG = (
    "Exit status: 0 healthy (warnings may be there), 1 something is wrong, 2 the cluster or Gharial's objects could "
    "not be looked at. docs/reference/check.md lists every finding."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.epilog = _EPILOG
    add_cluster_arguments(parser)
    parser.add_argument("-n", "--namespace", help="where to look when the whole cluster is forbidden (context's own)")
    parser.add_argument(
        "--system-namespace", default=names.SYSTEM_NAMESPACE, help="where operator and agents are (%(default)s)"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.tar.gz", help="write a bundle for support, redacted")
    parser.add_argument("--lines", type=int, default=500, help="lines of each log in the bundle (%(default)s)")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument(
        "--preflight", action="store_true", help="only what a cluster needs before Gharial is installed"
    )
    parser.add_argument("--timeout", type=float, default=60, metavar="SECONDS", help="look no longer (%(default)s)")


def add_cluster_arguments(parser: argparse.ArgumentParser) -> None:
    """The options by which kubectl finds a cluster, too."""
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help="as kubectl's: KUBECONFIG or ~/.kube/config")
    parser.add_argument("--context", metavar="NAME", help="as kubectl's: the file's current context")


def run(arguments: argparse.Namespace) -> int:
    """Looks, says, packs. Returns the exit status."""
    try:
        kube = Kube.as_kubectl(arguments.kubeconfig, arguments.context, min(REQUEST_SECONDS, arguments.timeout))
        own = arguments.namespace or context_namespace(arguments.kubeconfig, arguments.context)
        seen = look_at_all(
            kube,
            system=arguments.system_namespace,
            seconds=arguments.timeout,
            fallback=(own,),
            lines=arguments.lines if arguments.output else 0,
        )
    except (NotReachedError, ValueError) as error:
        print(f"gharial check: {error}", file=sys.stderr)
        return report.UNSEEN
    return conclude(seen, arguments)


def conclude(seen: Snapshot, arguments: argparse.Namespace) -> int:
    """Says what was found and packs the bundle."""
    found = list(cluster(seen)) if arguments.preflight else examine(seen)
    if arguments.json:
        print(json.dumps(redact_all(summary(seen, found)), indent=2, ensure_ascii=False))
    else:
        report.write(Paper(), seen, found)
    if arguments.output:
        left_out = write_bundle(arguments.output, seen, found)
        size = arguments.output.stat().st_size
        more = f"; left out for its size: {', '.join(left_out)}" if left_out else ""
        print(f"Written: {arguments.output} ({size // 1024 + 1} KiB{more})", file=sys.stderr)
    return report.status(seen, found)
