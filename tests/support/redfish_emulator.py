"""sushy-tools' emulator: a real Redfish service whose machines are not there."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests
from api_server import eventually
from gharial_cluster.control_plane import free_ports


@contextmanager
def redfish_emulator(folder: Path, systems: Sequence[str]) -> Iterator[str]:
    """A running emulator's address; its systems have these UUIDs, and are on."""
    port = free_ports(1)[0]
    settings = {
        "SUSHY_EMULATOR_LISTEN_IP": "127.0.0.1",
        "SUSHY_EMULATOR_LISTEN_PORT": port,
        "SUSHY_EMULATOR_FAKE_SYSTEMS": [
            {"uuid": uuid, "name": uuid[:4], "power_state": "On", "nics": []} for uuid in systems
        ],
        "SUSHY_EMULATOR_STATE_DIR": str(folder),
    }
    (folder / "emulator.conf").write_text("".join(f"{name} = {value!r}\n" for name, value in settings.items()))
    program = Path(sys.executable).with_name("sushy-emulator")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "--fake", "--config", folder / "emulator.conf"], stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: _answers(url), 60)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def power_state(url: str, system: str) -> str:
    """On or Off, as the emulator tells anybody."""
    return str(requests.get(f"{url}/redfish/v1/Systems/{system}", timeout=5).json()["PowerState"])


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/redfish/v1/", timeout=2).ok
    except requests.RequestException:
        return False
