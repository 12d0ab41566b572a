"""What was seen of a cluster at one moment, and what was not. Findings are read from it without any further request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TypeVar

from gharial_api import AsrCardNode, AsrCardPool, AsrModel, names
from gharial_api.base import ApiModel, JsonObject
from pydantic import ValidationError

#: Drivers whose cards our agents flash, license and offer to the scheduler.
MANAGED = frozenset({"achronix", "simulated"})

Typed = TypeVar("Typed", bound=ApiModel)


@dataclass(frozen=True)
class Gap:
    """Something that could not be seen. missing: the right that was missing, empty when it was not about rights."""

    what: str
    why: str
    missing: str = ""


@dataclass(frozen=True)
class Snapshot:
    """One look at a cluster.

    objects: by plural; a plural that is not there was not read. absent: plurals that the cluster does not know.
    now: the API server's time; here: this machine's at the same moment. logs, metrics: by `namespace/pod/container`.
    """

    now: datetime
    here: datetime
    server: str = ""
    version: str = ""
    groups: frozenset[str] = frozenset()
    objects: Mapping[str, tuple[JsonObject, ...]] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    gaps: tuple[Gap, ...] = ()
    logs: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)

    def saw(self, plural: str) -> bool:
        """Whether the objects of a kind were read: only then does none mean none."""
        return plural in self.objects

    def all(self, plural: str) -> tuple[JsonObject, ...]:
        """The objects of a kind that were seen."""
        return self.objects.get(plural, ())

    def named(self, plural: str) -> dict[str, JsonObject]:
        """The same by name."""
        return {name_of(each): each for each in self.all(plural)}

    @cached_property
    def pools(self) -> tuple[AsrCardPool, ...]:
        """The pools that can be read; others are reported as of another version."""
        return _typed(self.all(names.POOL_PLURAL), AsrCardPool)

    @cached_property
    def card_nodes(self) -> tuple[AsrCardNode, ...]:
        """The nodes of pools, by name."""
        return _typed(self.all(names.NODE_PLURAL), AsrCardNode)

    @cached_property
    def models(self) -> tuple[AsrModel, ...]:
        """The models, by namespace and name."""
        return _typed(self.all(names.MODEL_PLURAL), AsrModel)

    def nodes_of(self, pool: AsrCardPool) -> list[AsrCardNode]:
        """A pool's nodes."""
        return [node for node in self.card_nodes if node.spec.pool_ref.name == pool.metadata.name]

    @property
    def installed(self) -> bool:
        """Whether Gharial is in the cluster; what nobody may see counts as being there."""
        ours = ("customresourcedefinitions", "deployments", "daemonsets")
        return names.POOL_PLURAL not in self.absent or any(self.all(plural) for plural in ours)


def _typed(objects: tuple[JsonObject, ...], model: type[Typed]) -> tuple[Typed, ...]:
    found = []
    for each in sorted(objects, key=lambda each: (namespace_of(each), name_of(each))):
        try:
            found.append(model.model_validate(each))
        except ValidationError:
            continue  # of another version; the theme of versions says so
    return tuple(found)


def name_of(found: JsonObject) -> str:
    """An object's name."""
    return str(found.get("metadata", {}).get("name", ""))


def namespace_of(found: JsonObject) -> str:
    """An object's namespace; empty for those without."""
    return str(found.get("metadata", {}).get("namespace") or "")


def labels_of(found: JsonObject) -> dict[str, str]:
    """An object's labels."""
    return dict(found.get("metadata", {}).get("labels") or {})


def condition_of(found: JsonObject, kind: str) -> JsonObject:
    """A condition of any object; empty when it has none of that type."""
    conditions = (found.get("status") or {}).get("conditions") or []
    return next((dict(each) for each in conditions if each.get("type") == kind), {})


def moment(text: object) -> datetime | None:
    """A time as Kubernetes writes it, or None."""
    if not isinstance(text, str) or not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def seconds_since(text: object, now: datetime) -> float:
    """Seconds since a time as Kubernetes writes it; 0 when there is none."""
    then = moment(text)
    return (now - then).total_seconds() if then else 0.0
