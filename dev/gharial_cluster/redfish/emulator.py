"""sushy-tools' Redfish emulator with one system per node, on an address of this host alone."""

import base64
import http.client
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import bcrypt

from gharial_cluster.control_plane import free_ports

USERNAME, PASSWORD = "admin", "of-the-box"
_START_SECONDS = 60.0
_ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class Answer:
    """What the emulator answered."""

    status: int
    headers: dict[str, str]
    body: bytes


class Emulator:
    """A running emulator; every system has power when it starts. A change of power takes it 1 to 11 seconds."""

    def __init__(self, folder: Path, nodes: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.systems = {node: str(uuid.uuid4()) for node in nodes}
        self._port = free_ports(1)[0]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Emulator":
        program = Path(sys.executable).with_name("sushy-emulator")
        with (self._folder / "emulator.log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, "--fake", "--config", self._write_settings()], stdout=log, stderr=log
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__(None, None, None)
                raise RuntimeError(f"{program} does not answer; see {self._folder / 'emulator.log'}")
            time.sleep(0.1)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def path(self, node: str) -> str:
        """Where the emulator shows a node's machine."""
        return f"/redfish/v1/Systems/{self.systems[node]}"

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> Answer:
        """One request. Raises OSError when the emulator does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_ANSWER_SECONDS)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        except http.client.HTTPException as error:
            raise OSError(f"the emulator answers no HTTP: {error}") from error
        finally:
            connection.close()

    def has_power(self, node: str) -> bool:
        """Whether the emulator says that the node's machine has power. Raises OSError when it does not answer."""
        login = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        answer = self.ask("GET", self.path(node), {"Authorization": f"Basic {login}"})
        if answer.status != http.client.OK:
            raise OSError(f"the emulator answers {answer.status} for {node}")
        return bool(json.loads(answer.body)["PowerState"] == "On")

    def _answers(self) -> bool:
        try:
            return all(self.has_power(node) for node in self.systems)
        except OSError:
            return False

    def _write_settings(self) -> Path:
        login = self._folder / "login"
        # The cheapest hash there is: it is checked anew with every request.
        login.write_text(f"{USERNAME}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(rounds=4)).decode()}\n")
        login.chmod(0o600)
        state = self._folder / f"state-{self._port}"
        state.mkdir(exist_ok=True)
        settings = {
            "SUSHY_EMULATOR_LISTEN_IP": "127.0.0.1",
            "SUSHY_EMULATOR_LISTEN_PORT": self._port,
            "SUSHY_EMULATOR_AUTH_FILE": str(login),
            "SUSHY_EMULATOR_STATE_DIR": str(state),
            "SUSHY_EMULATOR_FAKE_SYSTEMS": [
                {"uuid": identity, "name": node, "power_state": "On", "nics": []}
                for node, identity in self.systems.items()
            ],
        }
        file = self._folder / "emulator.conf"
        file.write_text("".join(f"{name} = {value!r}\n" for name, value in settings.items()))
        return file
