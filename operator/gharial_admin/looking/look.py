"""One look at a cluster: first whether it answers, then all objects, then events, logs and metrics."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime

from gharial_api import names
from gharial_kube.client import Kube, KubeError

from gharial_admin.looking.logs import read_logs, read_metrics
from gharial_admin.looking.reader import Reader
from gharial_admin.looking.sights import Sight, events, sights
from gharial_admin.looking.snapshot import Gap, Snapshot, namespace_of


class NotReachedError(RuntimeError):
    """The API server cannot be reached, or knows nobody of that name."""


def greet(kube: Kube) -> Snapshot:
    """Version, time and API groups. Raises NotReachedError with the remedy."""
    try:
        version, now = kube.get_dated("/version")
        here = datetime.now(UTC)
        groups = kube.get("/apis").get("groups") or []
    except KubeError as error:
        if error.status in {401, 403}:
            raise NotReachedError(
                f"{kube.host} does not let you in ({error}). Log in again, or give another --context."
            ) from None
        raise NotReachedError(
            f"{kube.host}: {error}. Is the cluster up, and does --kubeconfig or --context name the right one?"
        ) from None
    served = frozenset(version["groupVersion"] for group in groups for version in group.get("versions") or [])
    return Snapshot(now or here, here, kube.host, str(version.get("gitVersion", "")), served)


def look(kube: Kube, wanted: Iterable[Sight], *, seconds: float, fallback: tuple[str, ...] = ()) -> Snapshot:
    """The objects of some kinds, within `seconds`. Raises NotReachedError."""
    first = greet(kube)
    reader = Reader(kube, time.monotonic() + seconds, fallback)
    reader.read(wanted)
    return _with(first, reader)


def look_at_all(kube: Kube, *, system: str, seconds: float, fallback: tuple[str, ...] = (), lines: int = 0) -> Snapshot:
    """Everything that a check and its bundle need, within `seconds`. lines: of each log; none when 0."""
    first = greet(kube)
    reader = Reader(kube, time.monotonic() + seconds, (system, *fallback))
    reader.read(sights(system))
    seen = _with(first, reader)
    if lines == 0:
        return seen
    spaces = {"default", system, *(namespace_of(model) for model in seen.all(names.MODEL_PLURAL))}
    reader.read([events(tuple(sorted(spaces)))])
    logs, log_gaps = read_logs(kube, seen, lines, reader.deadline)
    metrics, metric_gaps = read_metrics(kube, seen, reader.deadline)
    return _with(first, reader, logs, metrics, (*log_gaps, *metric_gaps))


def _with(
    first: Snapshot,
    reader: Reader,
    logs: dict[str, str] | None = None,
    metrics: dict[str, str] | None = None,
    gaps: tuple[Gap, ...] = (),
) -> Snapshot:
    return Snapshot(
        now=first.now,
        here=first.here,
        server=first.server,
        version=first.version,
        groups=first.groups,
        objects={plural: tuple(found) for plural, found in reader.objects.items()},
        absent=frozenset(reader.absent),
        gaps=(*reader.gaps, *gaps),
        logs=logs or {},
        metrics=metrics or {},
    )
