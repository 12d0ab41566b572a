"""From a controller's address and the Secret with its login to its power switch."""

import base64
import binascii
import hashlib
import tempfile
from pathlib import Path

from gharial_api.base import JsonObject

from gharial_operator import kinds
from gharial_operator.api_client import ApiClient, ApiError
from gharial_operator.policies.rollout.plan import Machine
from gharial_operator.power.controller import PowerError
from gharial_operator.power.redfish import Redfish, RedfishAddress


async def connect(client: ApiClient, namespace: str, machine: Machine) -> Redfish:
    """Reads the Secret, which nothing else of the operator ever sees. Raises PowerError with the remedy."""
    name = f"Secret {namespace}/{machine.secret}"
    try:
        secret = await client.get(kinds.SECRET, machine.secret, namespace)
    except (ApiError, OSError, TimeoutError) as error:
        raise PowerError(f"{name} cannot be read: {error}") from error
    if secret is None:
        raise PowerError(f"there is no {name}; make it with keys username and password")
    login = {key: _text(secret, key) for key in ("username", "password", "ca.crt")}
    missing = [key for key in ("username", "password") if not login[key]]
    if missing:
        raise PowerError(f"{name} has no {' and no '.join(missing)}; add it")
    certificates = str(_file(login["ca.crt"])) if login["ca.crt"] else True
    return Redfish(RedfishAddress(machine.controller, login["username"], login["password"], certificates))


def _text(secret: JsonObject, key: str) -> str:
    try:
        return base64.b64decode(secret.get("data", {}).get(key, "")).decode().strip()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _file(certificates: str) -> Path:
    """The certificates as a file, which requests needs; the same ones are the same file."""
    digest = hashlib.sha256(certificates.encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"gharial-power-{digest}.crt"
    if not path.exists():
        path.write_text(certificates)
    return path
