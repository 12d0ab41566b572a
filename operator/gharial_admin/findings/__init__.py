"""What is wrong and what to do, read from a snapshot by pure functions: one file for each theme."""

from gharial_admin.findings.cards import cards, licences
from gharial_admin.findings.cluster import cluster
from gharial_admin.findings.finding import Code, Finding, Theme
from gharial_admin.findings.models import gateways, models
from gharial_admin.findings.parts import parts
from gharial_admin.findings.rollout import rollout
from gharial_admin.looking.snapshot import Snapshot

#: Causes before their effects.
THEMES: dict[str, Theme] = {
    "cluster": cluster,
    "installation": parts,
    "cards": cards,
    "licences": licences,
    "rollout": rollout,
    "models": models,
    "gateways": gateways,
}


def examine(seen: Snapshot) -> list[Finding]:
    """Everything that is wrong, the worst first."""
    found = [each for theme in THEMES.values() for each in theme(seen)]
    return sorted(found, key=lambda each: each.severity != "error")


__all__ = ["THEMES", "Code", "Finding", "examine"]
