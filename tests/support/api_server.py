"""A real API server for tests, and a small client of it that speaks plain objects."""

import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import yaml
from gharial_cluster.control_plane import ControlPlane

ROOT = Path(__file__).parents[2]
APPLY = "application/apply-patch+yaml"


class RefusedError(Exception):
    """The API server refused the object, in its own words."""


class Api:
    """The API server as cluster admin.

    Objects are addressed by path, such as `/apis/asr.gharial.dev/v1alpha1/asrcardpools/cards`.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self.kubeconfig = plane.kubeconfig
        config = yaml.safe_load(plane.kubeconfig.read_text())
        self.server = config["clusters"][0]["cluster"]["server"]
        pki = plane.paths.pki
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self.authority = pki / "ca.crt"
        self._http = httpx.Client(base_url=self.server, verify=context, timeout=30)

    def close(self) -> None:
        """Ends the connections."""
        self._http.close()

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """One request; raises RefusedError when the API server says no."""
        if content_type == APPLY:
            path += "?fieldManager=tests&force=true"
        content = None if body is None else json.dumps(body)
        answer = self._http.request(method, path, content=content, headers={"Content-Type": content_type})
        if answer.status_code >= 400:
            raise RefusedError(answer.json().get("message", answer.text))
        return answer.json()

    def get(self, path: str) -> Any:
        """The object, or None."""
        answer = self._http.get(path)
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        return answer.json()

    def items(self, path: str) -> list[Any]:
        """The objects of a collection; none where there is no such API."""
        found = self.get(path)
        return found["items"] if found else []

    def apply(self, path: str, body: Any) -> Any:
        """Server-side apply."""
        return self.request("PATCH", path, body, APPLY)

    def merge(self, path: str, body: Any) -> Any:
        """Merge patch."""
        return self.request("PATCH", path, body, "application/merge-patch+json")

    def delete(self, path: str) -> None:
        """Deletes what is there."""
        if self.get(path) is not None:
            self.request("DELETE", path)


def install_crds(api: Api, *folders: Path) -> None:
    """Applies every CustomResourceDefinition and waits until the API server serves them."""
    root = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    names = []
    for folder in folders:
        for file in sorted(folder.glob("*.yaml")):
            for definition in yaml.safe_load_all(file.read_text()):
                names.append(definition["metadata"]["name"])
                api.apply(f"{root}/{names[-1]}", definition)
    for name in names:
        eventually(lambda name=name: _established(api.get(f"{root}/{name}")))


def _established(definition: Any) -> bool:
    conditions = definition.get("status", {}).get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


def eventually(check: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What `check` returns once it is true; fails with its last answer when that takes too long."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"still {found!r} after {seconds} s")
        time.sleep(0.05)
