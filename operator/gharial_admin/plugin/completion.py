"""The command kubectl_complete-gharial: kubectl's shell completion calls it with the words so far."""

import sys
from collections.abc import Sequence

from gharial_kube.client import Kube

from gharial_admin.plugin.access import Access

_VERBS = {
    "status": "what is wrong, pools, nodes, models",
    "cards": "every card",
    "rollout": "status, pause, resume, undo, retry",
}
_STEPS = {
    "status": "where each node stands",
    "pause": "stop before the next node",
    "resume": "go on",
    "undo": "back to the bitstream before",
    "retry": "forgive failures",
}
#: Tells the shell to offer no file names.
_NO_FILES = ":4"
#: A slow cluster must not hold up the shell for longer, in seconds.
_SECONDS = 3.0


def main(argv: Sequence[str] | None = None) -> int:
    """Prints what may stand in the place of the last word."""
    *before, last = list(sys.argv[1:] if argv is None else argv) or [""]
    words = [word for word in before if not word.startswith("-")]
    if not words:
        found = _VERBS
    elif words == ["rollout"]:
        found = _STEPS
    elif len(words) == (2 if words[0] == "rollout" else 1):
        found = dict.fromkeys(_pools(), "AsrCardPool")
    else:
        found = {}
    for word, meaning in found.items():
        if word.startswith(last):
            print(f"{word}\t{meaning}")
    print(_NO_FILES)
    return 0


def _pools() -> list[str]:
    try:
        access = Access(Kube.as_kubectl(None, None, _SECONDS), "")
        return [str(pool["metadata"]["name"]) for pool in access.pools()]
    except (OSError, ValueError, RuntimeError):
        return []
