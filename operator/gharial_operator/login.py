"""How the operator reaches the API server, and as whom: a pod's account, else a kubeconfig, both as kopf reads them."""

import dataclasses
import os

import kopf


def log_in() -> kopf.ConnectionInfo:
    """As this pod's service account, else as $KUBECONFIG or ~/.kube/config say.

    Raises:
        RuntimeError: there is neither, or the kubeconfig names no way to log in; the message names the remedy.
    """
    settings = kopf.OperatorSettings()
    info = kopf.login_with_service_account(settings=settings)
    if info is not None:
        return _by_address(info)
    try:
        info = kopf.login_with_kubeconfig(settings=settings)
    except (KeyError, kopf.LoginError, FileNotFoundError) as error:
        raise RuntimeError(f"the kubeconfig lacks {error}: see kubectl config view, or set KUBECONFIG") from None
    if info is None or not info.server:
        raise RuntimeError("no way to reach a cluster: run in a pod with a service account, or set KUBECONFIG")
    if not (info.as_http_headers() or info.certificate_path or info.certificate_data):
        raise RuntimeError(
            "the kubeconfig gives its user neither a token nor a client certificate, and the operator runs no program "
            "to get one: use a kubeconfig that does, such as one made with kubectl create token"
        )
    return info


def _by_address(info: kopf.ConnectionInfo) -> kopf.ConnectionInfo:
    """The API server by its address, so that cluster DNS may be down."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        return info
    address = f"[{host}]" if ":" in host else host
    return dataclasses.replace(info, server=f"https://{address}:{port}")
