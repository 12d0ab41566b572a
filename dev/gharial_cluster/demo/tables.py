"""What the demo prints: section headings, the resources' tables, the words that were really said."""

import shutil
import sys
from pathlib import Path

from gharial_cluster.demo.site import Site

BOLD, DIM, RESET = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


def heading(text: str) -> None:
    """A line that begins a part of the output."""
    width = min(shutil.get_terminal_size().columns, 100)
    print(f"\n{BOLD}{text}{RESET} {DIM}{'─' * max(width - len(text) - 1, 3)}{RESET}")


def resource_tables(site: Site) -> None:
    """The tables that an admin sees with kubectl."""
    for kind, scope in (("asrcardpools", []), ("asrcardnodes", []), ("asrmodels", ["-A"])):
        print(f"{DIM}$ kubectl get {' '.join([kind, *scope])}{RESET}")
        print(site.cluster.kubectl("get", kind, *scope).rstrip() + "\n")


def spoken_words(recording: Path) -> str:
    """What is really said in a recording: the text file beside it."""
    return recording.with_suffix(".txt").read_text().strip()


def next_things(url: str, recording: Path, kubeconfig: Path) -> str:
    """Three things to try, to copy and paste."""
    gharial = ".venv/bin/gharial"
    return "\n".join(
        [
            f"  {gharial} client transcribe {recording} --url {url}   # or any wav or flac of yours",
            f"  {gharial} check --kubeconfig {kubeconfig}   # is all well, and if not, what to do",
            f"  {gharial} cluster kubectl -- scale asrmodel general -n speech --replicas 1  # drains, then goes",
        ]
    )
