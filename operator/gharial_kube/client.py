"""Few requests to the API server, plain JSON in and out. Blocking, and safe for threads."""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import kubernetes.client
import kubernetes.config
import urllib3

JsonObject = dict[str, Any]

REQUEST_SECONDS = 30.0
# A watch is asked to end after this time, so that one whose other end has silently gone does not last for ever.
WATCH_SECONDS = 240
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON = "application/json"
#: A list of names, labels and annotations: what the objects hold stays with the API server.
NAMES_ALONE = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class KubeError(RuntimeError):
    """The API server refused, or was not there (status 0)."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Kube:
    """One API server, reached as a pod's service account or with a kubeconfig. Safe for threads."""

    def __init__(self, kubeconfig: Path | None = None) -> None:
        """With a kubeconfig, or as the pod's service account. Raises ValueError when there is neither."""
        configuration = kubernetes.client.Configuration()
        try:
            if kubeconfig is not None:
                load_kubeconfig(configuration, kubeconfig)
            else:
                load: Any = kubernetes.config.load_incluster_config
                load(configuration)
        except kubernetes.config.ConfigException as error:
            raise ValueError(f"no way to the API server: {error}. Outside a cluster give --kubeconfig FILE.") from None
        self._use(configuration, REQUEST_SECONDS)

    def _use(self, configuration: kubernetes.client.Configuration, timeout: Any) -> None:
        self._configuration = configuration
        self._timeout = timeout
        self._pool = kubernetes.client.ApiClient(configuration).rest_client.pool_manager

    @classmethod
    def as_kubectl(cls, kubeconfig: Path | None, context: str | None, seconds: float) -> Self:
        """Finds the cluster as kubectl does: the file, else KUBECONFIG, else ~/.kube/config; then the context in it.

        `seconds` bounds the wait for a connection and each wait for bytes. Raises ValueError with the remedy.
        """
        configuration = kubernetes.client.Configuration()
        try:
            load_kubeconfig(configuration, kubeconfig, context)
        except kubernetes.config.ConfigException as error:
            raise ValueError(
                f"no way to a cluster: {error}. Give --kubeconfig FILE and --context NAME, or set KUBECONFIG."
            ) from None
        made = cls.__new__(cls)
        made._use(configuration, urllib3.Timeout(connect=min(5.0, seconds), read=seconds))
        return made

    @property
    def host(self) -> str:
        """Address of the API server."""
        return str(self._configuration.host)

    def get(self, path: str, **query: str) -> JsonObject:
        """GET. Raises KubeError; its status is 404 when there is no such object."""
        return self._call("GET", path, query)

    def get_dated(self, path: str) -> tuple[JsonObject, datetime | None]:
        """GET together with the API server's own time."""
        response = self._send("GET", path, {}, None, JSON, self._timeout)
        stamp = response.headers.get("Date")
        return read_json(response), parsedate_to_datetime(stamp) if stamp else None

    def list_names(self, path: str, **query: str) -> JsonObject:
        """GET of a collection without what its objects hold: of Secrets nothing but their names leaves the server."""
        return read_json(self._send("GET", path, query, None, JSON, self._timeout, NAMES_ALONE))

    def text(self, path: str, limit: int, **query: str) -> str:
        """The first `limit` bytes of an answer that is no JSON, such as a log."""
        response = self._send("GET", path, query, None, JSON, self._timeout, "*/*")
        try:
            return bytes(response.read(limit)).decode(errors="replace")
        except urllib3.exceptions.HTTPError as error:
            raise KubeError(0, "AnswerBroken", f"the API server's answer broke off: {error}") from error
        finally:
            response.close()

    def create(self, path: str, body: JsonObject) -> JsonObject:
        """POST of a new object."""
        return self._call("POST", path, {}, body)

    def apply(self, path: str, body: JsonObject, manager: str) -> JsonObject:
        """Server-side apply: fields that others own stay theirs, fields that we applied before and leave out go."""
        return self._call("PATCH", path, {"fieldManager": manager, "force": "true"}, body, APPLY)

    def merge(self, path: str, body: JsonObject, manager: str) -> JsonObject:
        """Merge patch; a resourceVersion in its metadata guards against others' changes."""
        return self._call("PATCH", path, {"fieldManager": manager}, body, MERGE)

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
        response = self._send(method, path, query, body, kind or JSON, self._timeout)
        return read_json(response)

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: JsonObject | None,
        kind: str,
        timeout: Any,
        accept: str = JSON,
    ) -> urllib3.BaseHTTPResponse:
        url = self._configuration.host.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": accept}
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


def load_kubeconfig(
    configuration: kubernetes.client.Configuration, file: Path | None, context: str | None = None
) -> None:
    """Fills the configuration from a file, or from where kubectl looks. Raises ConfigException."""
    load: Any = kubernetes.config.load_kube_config
    load(_place(file), context=context, client_configuration=configuration)


def _place(file: Path | None) -> str | None:
    """Where kubectl looks. KUBECONFIG as it is now: the library reads it when it is imported."""
    return str(file) if file is not None else os.environ.get("KUBECONFIG") or None


def context_namespace(file: Path | None, context: str | None) -> str:
    """The namespace that a context of the kubeconfig names; `default` when it names none."""
    listed: Any = kubernetes.config.list_kube_config_contexts
    every, active = listed(_place(file))
    chosen = next((each for each in every if each["name"] == context), active if context is None else {})
    return str((chosen.get("context") or {}).get("namespace") or "default")


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
