"""What tests ask of pods."""

from typing import Any


def is_ready(pod: dict[str, Any] | None) -> bool:
    """Whether there is a pod, and it is ready."""
    conditions = (pod or {}).get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
