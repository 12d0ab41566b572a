"""Kubeconfig files: who speaks to which API server with which certificate."""

import base64
import json
from pathlib import Path

from gharial_cluster.files import write_atomically


def kubeconfig(server: str, pki: Path, identity: str, cluster: str = "gharial") -> str:
    """A kubeconfig with everything inside, as JSON (which is YAML as well).

    Args:
        server: the API server's URL.
        pki: the folder of certificates.
        identity: the name of a certificate and key in that folder.
        cluster: how the context is called.
    """
    user = {
        "client-certificate-data": _encoded(pki / f"{identity}.crt"),
        "client-key-data": _encoded(pki / f"{identity}.key"),
    }
    return _document(server, pki, identity, user, cluster)


def write_kubeconfig(path: Path, server: str, pki: Path, identity: str, cluster: str = "gharial") -> None:
    """Writes the kubeconfig of `identity` to `path`, readable by its owner alone."""
    write_atomically(path, kubeconfig(server, pki, identity, cluster), mode=0o600)


def write_token_kubeconfig(path: Path, server: str, pki: Path, identity: str, token: str) -> None:
    """The same for whoever has a token, such as a service account."""
    write_atomically(path, _document(server, pki, identity, {"token": token}, "gharial"), mode=0o600)


def _document(server: str, pki: Path, identity: str, user: dict[str, str], cluster: str) -> str:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": cluster, "cluster": {"server": server, "certificate-authority-data": _encoded(pki / "ca.crt")}}
        ],
        "users": [{"name": identity, "user": user}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": identity}}],
        "current-context": cluster,
    }
    return json.dumps(document, indent=2) + "\n"


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
