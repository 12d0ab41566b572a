"""The bundle for support: one archive with what was seen and what is wrong, redacted and of bounded size."""

import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from gharial_admin import redact
from gharial_admin.findings import Finding
from gharial_admin.inventory import inventory
from gharial_admin.looking.snapshot import Snapshot, labels_of
from gharial_admin.report import plain

#: A bundle holds no more than this, in bytes before it is packed. Logs come last and are left out first.
LARGEST = 64 * 1024 * 1024
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_README = """What `gharial check` saw. Secrets are not in here: they were never read. Passwords, keys and tokens in
objects and logs are REDACTED; what nobody can tell from a secret may still be in a log, so look before you send it.

report.txt    what is wrong, and what to do
check.json    the same for programs, with versions and with what could not be seen
cards.json    every card
objects/      one file for each kind
logs/         the last lines of each container, and of its life before
metrics/      the operator's metrics
"""


def write_bundle(path: Path, seen: Snapshot, found: Sequence[Finding]) -> list[str]:
    """Writes the archive, readable by its owner alone; returns what was left out for its size.

    Raises OSError when it cannot be written.
    """
    left_out: list[str] = []
    size = 0
    private = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(private, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in _files(seen, found):
            data = content.encode()
            if size + len(data) > LARGEST:
                left_out.append(name)
                continue
            size += len(data)
            entry = tarfile.TarInfo(f"gharial-check/{name}")
            entry.size, entry.mtime, entry.mode = len(data), int(seen.here.timestamp()), 0o600
            archive.addfile(entry, io.BytesIO(data))
    return left_out


def _files(seen: Snapshot, found: Sequence[Finding]) -> Iterator[tuple[str, str]]:
    yield "README.txt", _README
    yield "report.txt", redact.text(plain(seen, found))
    yield "check.json", _json(redact_all(summary(seen, found)))
    yield "cards.json", _json(redact_all(inventory(seen)))
    for plural, objects in sorted(seen.objects.items()):
        clean = [redact.thing(each) for each in objects]
        yield f"objects/{plural}.yaml", yaml.dump_all(clean, Dumper=_Dumper, sort_keys=True)
    for where, content in sorted(seen.metrics.items()):
        yield f"metrics/{_safe(where)}.txt", redact.text(content)
    for where, content in sorted(seen.logs.items()):
        yield f"logs/{_safe(where)}.log", redact.text(content)


def redact_all(part: object) -> object:
    """Every string of a structure without secrets."""
    if isinstance(part, dict):
        return {key: redact_all(value) for key, value in part.items()}
    if isinstance(part, list):
        return [redact_all(each) for each in part]
    return redact.text(part) if isinstance(part, str) else part


def summary(seen: Snapshot, found: Sequence[Finding]) -> dict[str, object]:
    """For programs: findings, versions, gaps."""
    errors = sum(each.severity == "error" for each in found)
    return {
        "healthy": errors == 0,
        "errors": errors,
        "warnings": len(found) - errors,
        "findings": [each.to_json() for each in found],
        "notSeen": [{"what": gap.what, "why": gap.why, "missingRight": gap.missing} for gap in seen.gaps],
        "versions": versions(seen),
        "time": seen.now.isoformat(),
    }


def versions(seen: Snapshot) -> dict[str, object]:
    """Of the cluster, of this command, and the images that run."""
    images = {
        str(state.get("image"))
        for pod in seen.all("pods")
        for state in (pod.get("status") or {}).get("containerStatuses") or []
    }
    workloads = (*seen.all("deployments"), *seen.all("daemonsets"))
    installed = {labels_of(each).get("app.kubernetes.io/version", "") for each in workloads} - {""}
    return {
        "kubernetes": seen.version,
        "gharial": own_version(),
        "installation": sorted(installed),
        "images": sorted(images),
    }


def own_version() -> str:
    """Version of this command."""
    try:
        return version("gharial")
    except PackageNotFoundError:
        return "unknown"


def _json(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _safe(where: str) -> str:
    return re.sub(r"[^A-Za-z0-9._/-]", "_", where).replace("..", "_")
