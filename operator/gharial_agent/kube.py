"""The agent's few requests to the API server: plain JSON in and out."""

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import kubernetes.client
import kubernetes.config
import urllib3

JsonObject = dict[str, Any]

REQUEST_SECONDS = 30.0
# A watch is asked to end after this time, so that one whose other end has silently gone does not last for ever.
WATCH_SECONDS = 240
APPLY = "application/apply-patch+yaml"


class KubeError(RuntimeError):
    """The API server refused, or was not there (status 0)."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Kube:
    """One API server, reached as a pod's service account or with a kubeconfig. Safe for threads."""

    def __init__(self, kubeconfig: Path | None = None) -> None:
        """Raises ValueError when there is neither a service account nor the kubeconfig."""
        configuration = kubernetes.client.Configuration()
        try:
            if kubeconfig is not None:
                load: Any = kubernetes.config.load_kube_config
                load(str(kubeconfig), client_configuration=configuration)
            else:
                load = kubernetes.config.load_incluster_config
                load(configuration)
        except kubernetes.config.ConfigException as error:
            raise ValueError(f"no way to the API server: {error}. Outside a cluster give --kubeconfig FILE.") from None
        self._configuration = configuration
        self._pool = kubernetes.client.ApiClient(configuration).rest_client.pool_manager

    def get(self, path: str, **query: str) -> JsonObject:
        """GET. Raises KubeError; its status is 404 when there is no such object."""
        return self._call("GET", path, query)

    def create(self, path: str, body: JsonObject) -> JsonObject:
        """POST of a new object."""
        return self._call("POST", path, {}, body)

    def apply(self, path: str, body: JsonObject, manager: str) -> JsonObject:
        """Server-side apply: fields that others own stay theirs, fields that we applied before and leave out go."""
        return self._call("PATCH", path, {"fieldManager": manager, "force": "true"}, body, APPLY)

    def replace(self, path: str, body: JsonObject) -> JsonObject:
        """PUT; the object's resourceVersion guards against others' changes."""
        return self._call("PUT", path, {}, body)

    def delete(self, path: str) -> None:
        """DELETE; what is gone already is as well."""
        try:
            self._call("DELETE", path, {})
        except KubeError as error:
            if error.status != 404:
                raise

    def watch(self, path: str, version: str, stopped: threading.Event, **query: str) -> Iterator[JsonObject]:
        """The events of a collection from a resource version on, until the watch ends. Raises KubeError."""
        wanted = {**query, "watch": "1", "resourceVersion": version, "timeoutSeconds": str(WATCH_SECONDS)}
        response = self._send("GET", path, wanted, None, "", urllib3.Timeout(connect=10, read=WATCH_SECONDS + 30))
        try:
            rest = b""
            for chunk in response.stream(None, decode_content=True):
                *lines, rest = (rest + chunk).split(b"\n")
                if stopped.is_set():
                    return
                yield from (json.loads(line) for line in lines if line.strip())
        except urllib3.exceptions.HTTPError as error:
            raise KubeError(0, "WatchBroken", str(error)) from error
        finally:
            response.close()

    def _call(
        self, method: str, path: str, query: Mapping[str, str], body: JsonObject | None = None, kind: str = ""
    ) -> JsonObject:
        response = self._send(method, path, query, body, kind or "application/json", REQUEST_SECONDS)
        return read_json(response)

    def _send(
        self, method: str, path: str, query: Mapping[str, str], body: JsonObject | None, kind: str, timeout: Any
    ) -> urllib3.BaseHTTPResponse:
        url = self._configuration.host.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json"}
        token = self._configuration.auth_settings().get("BearerToken")
        if token is not None:
            headers["Authorization"] = str(token["value"])
        if body is not None:
            headers["Content-Type"] = kind
        data = None if body is None else json.dumps(body).encode()
        try:
            response: urllib3.BaseHTTPResponse = self._pool.request(
                method, url, body=data, headers=headers, timeout=timeout, preload_content=False, retries=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise KubeError(0, "Unreachable", f"the API server does not answer: {error}") from error
        if response.status >= 400:
            raise refusal(response)
        return response


def read_json(response: urllib3.BaseHTTPResponse) -> JsonObject:
    """The body of an answer. Raises KubeError when the connection breaks in the middle."""
    try:
        answer: JsonObject = json.loads(response.read() or b"{}")
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise KubeError(0, "AnswerBroken", f"the API server's answer broke off: {error}") from error
    finally:
        response.release_conn()
    return answer


def refusal(response: urllib3.BaseHTTPResponse) -> KubeError:
    """The error in an answer with a status of 400 or more."""
    try:
        answer = json.loads(response.read())
        return KubeError(response.status, str(answer.get("reason", "")), str(answer.get("message", "")))
    except (urllib3.exceptions.HTTPError, ValueError, AttributeError):
        return KubeError(response.status, "", f"the API server answered {response.status}")
    finally:
        response.release_conn()
