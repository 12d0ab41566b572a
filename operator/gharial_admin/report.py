"""A check for people: what is wrong first, then what could not be seen."""

import io
from collections.abc import Sequence

from gharial_api import names
from gharial_api.words import count

from gharial_admin.findings import Finding
from gharial_admin.looking.sights import ESSENTIAL
from gharial_admin.looking.snapshot import Snapshot
from gharial_admin.terminal import Paper, age

HEALTHY, WRONG, UNSEEN = 0, 1, 2


def status(seen: Snapshot, found: Sequence[Finding]) -> int:
    """Exit status: 1 when something is wrong, 2 when our own objects could not be seen, else 0."""
    if any(each.severity == "error" for each in found):
        return WRONG
    hidden = {gap.what for gap in seen.gaps}
    return UNSEEN if any(sight.plural in hidden for sight in ESSENTIAL) else HEALTHY


def write(paper: Paper, seen: Snapshot, found: Sequence[Finding]) -> None:
    """The whole page."""
    paper.line(_head(seen))
    for each in found:
        paper.line()
        tell(paper, seen, each)
    if seen.gaps:
        paper.line()
        paper.line("Not seen:")
        for gap in seen.gaps:
            right = f" (needs the right: {gap.missing})" if gap.missing else ""
            paper.wrapped(f"{gap.what}: {gap.why}{right}", first="  ", rest="    ")
        if any(gap.missing for gap in seen.gaps):
            paper.line("  The ClusterRole gharial-support has these rights but pods/proxy.")
    paper.line()
    paper.line(_verdict(paper, seen, found))


def tell(paper: Paper, seen: Snapshot, finding: Finding) -> None:
    """One finding: what is wrong, and below it what to do."""
    bad = finding.severity == "error"
    mark = paper.colour("✗" if bad else "!", "red" if bad else "yellow")
    since = f", for {age(finding.since, seen.now)}" if finding.since else ""
    paper.line(f"{mark} {paper.colour(finding.subject, 'bold')} ({finding.code.value}{since})")
    paper.wrapped(finding.says, first="    ", rest="    ")
    paper.wrapped(finding.remedy, first="  → ", rest="    ")


def plain(seen: Snapshot, found: Sequence[Finding]) -> str:
    """The page as text."""
    out = io.StringIO()
    write(Paper(out), seen, found)
    return out.getvalue()


def _head(seen: Snapshot) -> str:
    head = f"Kubernetes {seen.version} at {seen.server}"
    if not seen.saw(names.POOL_PLURAL):
        return head
    cards = [card for node in seen.card_nodes for card in node.status.cards]
    used, room = sum(c.streams.used for c in cards), sum(c.streams.capacity for c in cards)
    return (
        f"{head}\n{count(len(seen.pools), 'pool')}, {count(len(seen.card_nodes), 'node')}, "
        f"{count(len(cards), 'card')}, {count(len(seen.models), 'model')}; {used} of {count(room, 'stream')} in use"
    )


def _verdict(paper: Paper, seen: Snapshot, found: Sequence[Finding]) -> str:
    errors = sum(each.severity == "error" for each in found)
    warnings = len(found) - errors
    also = f", {count(warnings, 'warning')}" if warnings else ""
    if errors:
        return paper.colour(f"✗ {count(errors, 'thing')} wrong{also}.", "red")
    if status(seen, found) == UNSEEN:
        return paper.colour(f"? Nothing wrong was seen{also}, but Gharial's own objects were not.", "yellow")
    rest = " in what could be seen" if seen.gaps else ""
    return paper.colour(f"✓ Healthy{rest}{also}.", "green")
