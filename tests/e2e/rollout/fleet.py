"""The site's pool with bitstreams to roll out, and the hands of those who disturb a rollout."""

import hashlib
from collections.abc import Mapping
from typing import Any

from gharial_cluster.demo.site import Site, example, wait_until
from gharial_cluster.network_plan import NODES

from .watching import Seen

#: What the site runs; where every test file that rolls out leaves it.
HOME = "1.14.0"
AWAY = "1.13.0"
THIRD = "1.12.0"
CORDON_MARK = "asr.gharial.dev/cordoned-for"
LABELS = ("asr.gharial.dev/pool", "asr.gharial.dev/rollout")


class Fleet:
    """Rolls bitstreams out to the pool `simulated`. Tests take the two versions in turns, so that none goes back."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.version = HOME
        for version in (AWAY, THIRD):
            site.put_bitstream(version)

    def pool(self, version: str, **policy: Any) -> dict[str, Any]:
        """The example's pool with a bitstream and an upgradePolicy."""
        [pool] = example("pool")
        image = (self.site.cluster.paths.root / "bitstreams" / f"{version}.flash").read_bytes()
        source = {"name": f"bitstream-{version.replace('.', '-')}", "key": "bitstream.flash"}
        digest = hashlib.sha256(image).hexdigest()
        pool["spec"]["bitstream"] = {"version": version, "configMap": source, "sha256": digest}
        if policy:
            pool["spec"]["upgradePolicy"] = policy
        return pool

    def roll_out(self, version: str | None = None, **policy: Any) -> str:
        """Asks for a version, by default the one of the two that the pool does not have; returns it."""
        self.version = version or (AWAY if self.version == HOME else HOME)
        self.site.apply(self.pool(self.version, **policy))
        return self.version

    def done(self, now: Mapping[str, Seen]) -> bool:
        """Whether all nodes run the version asked for and say that they are done."""
        return len(now) == len(NODES) and all(
            (seen.state, seen.target, seen.bitstream) == ("Done", self.version, self.version) for seen in now.values()
        )

    def go_home(self) -> None:
        """The example's pool and bitstream again."""
        self.site.apply(*example("pool"))
        self.version = HOME
        wait_until(lambda: self._all_run(HOME), 300, lambda: str(self.site.objects("asrcardnodes")))

    def _all_run(self, version: str) -> bool:
        found = self.site.objects("asrcardnodes")
        done = len(found) == len(NODES) and all(item["spec"]["rollout"]["state"] == "Done" for item in found)
        return done and all(card["bitstream"] == version for item in found for card in item["status"]["cards"])

    # -- what nodes look like ----------------------------------------------------------------------

    def cordoned(self) -> list[str]:
        """Nodes that are closed for new pods."""
        nodes = self.site.objects("nodes")
        return [node["metadata"]["name"] for node in nodes if node["spec"].get("unschedulable")]

    def traces(self) -> dict[str, list[str]]:
        """Cordons and marks on each node, and labels of any other state than Done."""
        found: dict[str, list[str]] = {}
        for node in self.site.objects("nodes"):
            meta = node["metadata"]
            left = ["cordon"] if node["spec"].get("unschedulable") else []
            left += [CORDON_MARK] if CORDON_MARK in meta.get("annotations", {}) else []
            left += [f"{key}={meta['labels'][key]}" for key in LABELS if key in meta.get("labels", {})]
            found[meta["name"]] = left
        return found

    def expect_no_traces(self) -> None:
        """Nothing of a rollout is left on the nodes but the labels that say that it is done."""
        clean = ["asr.gharial.dev/pool=simulated", "asr.gharial.dev/rollout=Done"]
        wait_until(lambda: all(left == clean for left in self.traces().values()), 20, lambda: str(self.traces()))

    def events(self, node: str) -> list[str]:
        """States that the operator's events tell of a node, in order."""
        events = [e for e in self.site.objects("events", "default") if e["involvedObject"]["name"] == node]
        ours = [e for e in events if e.get("source", {}).get("component") == "gharial-operator"]
        ours.sort(key=lambda event: event["metadata"]["resourceVersion"].zfill(20))
        return [event["message"].split(":")[0] for event in ours]
