"""Which pods wait for a card that they will not get, by their claims."""

from datetime import UTC, datetime, timedelta
from typing import Any

from gharial_operator.facts import PodFacts
from gharial_operator.policies.outdated_claims import may_be_outdated, outdated_pods

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def pod(name: str, age: float = 60, scheduled: bool = False) -> PodFacts:
    created = (NOW - timedelta(seconds=age)).isoformat().replace("+00:00", "Z")
    return PodFacts(name, scheduled=scheduled, created=created)


def devices(*versions: str) -> dict[str, Any]:
    expression = " || ".join(f'version.compareTo(semver("{version}")) == 0' for version in versions)
    selectors = [{"cel": {"expression": expression}}]
    return {"requests": [{"name": "card", "exactly": {"deviceClassName": "asr-card", "selectors": selectors}}]}


def claim(owner: str, *versions: str, allocated: bool = False) -> dict[str, Any]:
    meta = {"ownerReferences": [{"kind": "Pod", "name": owner, "uid": f"uid-{owner}"}]}
    status = {"allocation": {}} if allocated else {}
    return {"metadata": meta, "spec": {"devices": devices(*versions)}, "status": status}


def test_only_a_claim_without_a_card_that_does_not_take_the_wanted_bitstream_is_outdated() -> None:
    claims = [
        claim("old", "1.2.0"),
        claim("both", "1.2.0", "1.3.0"),
        claim("new", "1.3.0"),
        claim("served", "1.2.0", allocated=True),
        claim("strange", "1.2.0"),
    ]
    pods = [pod(name) for name in ("old", "both", "new", "served")]
    assert outdated_pods(pods, claims, devices("1.3.0"), "1.3.0") == [("old", "uid-old")]
    # Without a bitstream to compare, another wish is reason enough.
    assert outdated_pods(pods, claims, devices(""), None) == [(n, f"uid-{n}") for n in ("old", "both", "new")]


def test_pods_with_a_place_and_those_younger_than_the_template_are_not_looked_at() -> None:
    template = {"metadata": {"creationTimestamp": (NOW - timedelta(seconds=60)).isoformat()}}
    pods = [pod("older", 90), pod("same", 60), pod("younger", 30), pod("placed", 90, scheduled=True)]
    assert [p.name for p in may_be_outdated(pods, template, False, NOW)] == ["older", "same"]
    assert [p.name for p in may_be_outdated(pods, template, True, NOW)] == ["older", "same", "younger"]
    later = NOW + timedelta(hours=1)
    assert [p.name for p in may_be_outdated(pods, template, False, later)] == ["older"]
    assert may_be_outdated(pods, None, True, NOW) == []
