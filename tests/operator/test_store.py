"""What the operator holds of the cluster only ever gets newer, whatever order events, lists and answers come in."""

import asyncio
from typing import Any

from gharial_operator.kinds import DEPLOYMENT, Kind
from gharial_operator.seen import Seen
from gharial_operator.snapshot import views
from gharial_operator.store import Store

Change = tuple[str, int | None, int | None]
MODEL = "asr.gharial.dev/model"


class Told:
    """Changes in the order in which the store told them: name, version before, version after."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.store = Store(self._changed)

    def _changed(self, kind: Kind, before: Seen[Any] | None, after: Seen[Any] | None) -> None:
        either = after or before
        assert either is not None
        self.changes.append((either.name, before and before.version, after and after.version))

    def version(self, name: str = "english") -> int | None:
        seen = asyncio.run(self.store.get(views.DEPLOYMENTS, name, "default"))
        return seen and seen.version


def deployment(version: int, name: str = "english", uid: str = "u1", labels: dict[str, str] | None = None) -> Any:
    meta = {"name": name, "namespace": "default", "uid": uid, "resourceVersion": str(version)}
    meta["labels"] = {MODEL: name} if labels is None else labels  # type: ignore[assignment]
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {}}


def test_an_event_from_before_our_own_write_changes_nothing_and_wakes_nobody() -> None:
    told = Told()
    told.store.put(views.DEPLOYMENTS, deployment(1))
    told.store.note(deployment(5))
    told.store.put(views.DEPLOYMENTS, deployment(3))
    told.store.put(views.DEPLOYMENTS, deployment(5))
    assert told.version() == 5
    assert told.changes == [("english", None, 1), ("english", 1, 5)]


def test_an_answer_that_comes_after_the_objects_end_does_not_bring_it_back() -> None:
    told = Told()
    told.store.put(views.DEPLOYMENTS, deployment(1))
    told.store.remove(views.DEPLOYMENTS, deployment(4))
    told.store.note(deployment(3))
    assert told.version() is None
    told.store.put(views.DEPLOYMENTS, deployment(7, uid="u2"))
    assert told.version() == 7


def test_what_we_deleted_is_gone_at_once_and_stays_so_while_older_events_come_in() -> None:
    told = Told()
    told.store.put(views.DEPLOYMENTS, deployment(1))
    told.store.forget(DEPLOYMENT, "english", "default", "u1")
    told.store.put(views.DEPLOYMENTS, deployment(2))
    assert told.version() is None
    told.store.remove(views.DEPLOYMENTS, deployment(3))
    assert told.changes == [("english", None, 1), ("english", 1, None)]


def test_an_object_that_lost_our_label_and_got_it_back_is_seen_again() -> None:
    told = Told()
    told.store.put(views.DEPLOYMENTS, deployment(1))
    told.store.remove(views.DEPLOYMENTS, deployment(2, labels={}))
    told.store.note(deployment(3))
    assert told.version() == 3


def test_a_list_takes_away_what_has_gone_unseen_but_nothing_newer_than_itself() -> None:
    told = Told()
    for name in ("gone", "stays", "changed"):
        told.store.put(views.DEPLOYMENTS, deployment(1, name, name))
    told.store.note(deployment(9, "new", "new"))
    told.store.note(deployment(8, "changed", "changed"))
    told.changes.clear()
    listed = [views.DEPLOYMENTS.see(deployment(v, name, name)) for name, v in (("stays", 1), ("changed", 4))]
    told.store.replace(views.DEPLOYMENTS, listed, 6)
    assert told.changes == [("gone", 1, None)]
    assert [told.version(name) for name in ("stays", "changed", "new")] == [1, 8, 9]


def test_after_a_restore_of_etcd_the_older_history_counts() -> None:
    told = Told()
    told.store.replace(views.DEPLOYMENTS, [views.DEPLOYMENTS.see(deployment(90))], 100)
    told.store.replace(views.DEPLOYMENTS, [views.DEPLOYMENTS.see(deployment(40))], 50)
    assert told.version() == 40


def test_a_model_finds_its_pods_among_thousands_by_its_label() -> None:
    told = Told()

    def pod(number: int, version: int) -> Any:
        name = f"model-{number % 3}"
        meta = {"name": f"p{number}", "namespace": "default", "uid": f"p{number}", "resourceVersion": str(version)}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {**meta, "labels": {MODEL: name}}}

    for number in range(6):
        told.store.put(views.PODS, pod(number, 1))
    told.store.remove(views.PODS, pod(1, 2))
    found = asyncio.run(told.store.list(views.PODS, "default", {MODEL: "model-1"}))
    assert [seen.name for seen in found] == ["p4"]
