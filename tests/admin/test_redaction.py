"""What a bundle must not hold: secrets put everywhere, and the whole archive searched for them."""

import base64
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from api_server import Api
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gharial_admin import redact
from gharial_admin.bundle import write_bundle
from gharial_admin.findings import examine
from gharial_admin.looking.look import look_at_all
from gharial_kube.client import Kube
from installation import MODELS, POOLS, SYSTEM
from machines import CARD_NODES
from manifests import model

from .conftest import Check

#: Every one of them is somewhere in the cluster below.
SECRETS = (
    "hunter2-tenant-key",
    "s3cr3t-bmc-pass",
    "QWxhZGRpbjpvcGVuc2VzYW1l",
    "presigned-4f1c",
    "userinfo-77aa",
    "env-literal-value",
    "argument-token-1",
    "annotation-secret-9",
    "licence-signature-AbC1",
    "bearer-abcdef123456",
)


def _spoil(api: Api) -> None:
    """Secrets where they belong, and where people put them by mistake."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "bmc-login",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": SECRETS[7]},
        },
        "stringData": {"username": "admin", "password": SECRETS[1], "acme": SECRETS[0], "card.json": SECRETS[8]},
    }
    api.apply(f"/api/v1/namespaces/{SYSTEM}/secrets/bmc-login", secret)
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mistake"}, "data": {"key": SECRETS[0]}}
    api.apply(f"/api/v1/namespaces/{SYSTEM}/configmaps/mistake", config)
    address = f"https://user:{SECRETS[4]}@files.example.com/x.bit?X-Amz-Signature={SECRETS[3]}&sig={SECRETS[3]}"
    api.merge(f"{POOLS}/cards", {"spec": {"bitstream": {"url": address}}})
    notes = {"asr.gharial.dev/bmc": f"https://admin:{SECRETS[1]}@10.0.0.5", "other.example.com/x": SECRETS[7]}
    api.merge("/api/v1/nodes/node-a", {"metadata": {"annotations": notes}})
    api.request("POST", MODELS, model(tenants={"keysSecretRef": {"name": "keys"}}))
    said = f"cannot fetch {address}: Authorization: Bearer {SECRETS[9]}"
    now = {"lastTransitionTime": "2026-01-01T00:00:00Z", "type": "Ready", "status": "False", "reason": "PodFailing"}
    status = {"observedGeneration": 1, "conditions": [{**now, "message": said}]}
    api.merge(f"{MODELS}/english/status", {"status": status})
    container = {
        "name": "server",
        "image": "server",
        "env": [{"name": "DSN", "value": SECRETS[5]}],
        "args": ["--api-key", SECRETS[6], f"--password={SECRETS[1]}"],
    }
    labels = {"asr.gharial.dev/model": "english"}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    api.apply("/api/v1/namespaces/default/serviceaccounts/default", account)
    head = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "english-1", "labels": labels}}
    api.request("POST", "/api/v1/namespaces/default/pods", {**head, "spec": {"containers": [container]}})
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "told"},
        "involvedObject": {"kind": "AsrModel", "name": "english", "namespace": "default"},
        "message": said,
        "reason": "PodFailing",
    }
    api.apply("/api/v1/namespaces/default/events/told", event)


def _log() -> str:
    """A log with all that should never have been logged."""
    pair = json.dumps({"cardId": "0123456789abcdef", "signature": SECRETS[8]})
    token = ".".join(
        base64.urlsafe_b64encode(part).decode().strip("=") for part in (b'{"alg":"x"}', b'{"sub":1}', b"12345678")
    )
    key = base64.b64encode(Ed25519PrivateKey.generate().sign(b"x")).decode()
    lines = [
        f"GET /asr/v0.1/stream?model=english&api_key={SECRETS[0]} 101",
        f"X-API-Key: {SECRETS[0]}",
        f"Authorization: Basic {SECRETS[2]}",
        f"licence {pair}",
        f'config password="{SECRETS[1]}" user=admin',
        f"jwt {token}",
        f"raw {key}",
        "-----BEGIN PRIVATE KEY-----",
        "MC4CAQAwBQYDK2VwBCIEIA",
        "-----END PRIVATE KEY-----",
        "sha256 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef is not expected",
        "node-a 0000:3b:00.0 card 0123456789abcdef at /opt/gharial/models/starter/starter.gharial",
    ]
    return "\n".join(lines)


def _whole(bundle: Path) -> str:
    with tarfile.open(bundle) as archive:
        files = [archive.extractfile(member) for member in archive.getmembers()]
        return "\n".join(file.read().decode() for file in files if file)


def test_no_secret_of_the_cluster_is_in_the_bundle(installed: Api, tmp_path: Path) -> None:
    _spoil(installed)
    kube = Kube.as_kubectl(installed.kubeconfig, None, 10)
    seen = look_at_all(kube, system=SYSTEM, seconds=30, lines=100)
    seen = replace(seen, logs={f"{SYSTEM}/operator-1/operator": _log()})
    bundle = tmp_path / "bundle.tar.gz"
    assert write_bundle(bundle, seen, examine(seen)) == []
    text = _whole(bundle)
    assert [secret for secret in SECRETS if secret in text] == []
    assert "MC4CAQAwBQYDK2VwBCIEIA" not in text
    assert bundle.stat().st_mode & 0o077 == 0


def test_what_support_needs_is_still_there(installed: Api, tmp_path: Path) -> None:
    _spoil(installed)
    kube = Kube.as_kubectl(installed.kubeconfig, None, 10)
    seen = look_at_all(kube, system=SYSTEM, seconds=30, lines=100)
    seen = replace(seen, logs={f"{SYSTEM}/operator-1/operator": _log()})
    bundle = tmp_path / "bundle.tar.gz"
    write_bundle(bundle, seen, examine(seen))
    with tarfile.open(bundle) as archive:
        names = {name.removeprefix("gharial-check/") for name in archive.getnames()}
    assert {"README.txt", "report.txt", "check.json", "cards.json"} <= names
    assert {"objects/asrcardpools.yaml", "objects/secrets.yaml", f"logs/{SYSTEM}/operator-1/operator.log"} <= names
    text = _whole(bundle)
    for kept in (
        "bmc-login",  # a Secret's name
        "0123456789abcd01",  # a card's id
        "model=english",
        "sha256 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef is not expected",
        "/opt/gharial/models/starter/starter.gharial",
        "files.example.com/x.bit",
        "keysSecretRef",
    ):
        assert kept in text, kept


def test_the_command_writes_a_bundle_and_says_where(installed: Api, run_check: Check, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.tar.gz"
    said = run_check("-o", str(bundle))
    assert said.status == 0 and f"Written: {bundle}" in said.err
    rows = [each["uniqueId"] for each in json.loads(_member(bundle, "cards.json"))]
    assert rows == ["0123456789abcd00", "0123456789abcd01"]
    assert installed.items(CARD_NODES)


def _member(bundle: Path, name: str) -> str:
    with tarfile.open(bundle) as archive:
        file = archive.extractfile(f"gharial-check/{name}")
        assert file is not None
        return file.read().decode()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("https://a:b@h/x", "https://REDACTED@h/x"),
        ("Bearer abc.def", "Bearer REDACTED"),
        ("token: abc", "token: REDACTED"),
        ('{"apiKey": "abc", "model": "x"}', '{"apiKey": REDACTED, "model": "x"}'),
        ("--tenant-secret abc --port 1", "--tenant-secret REDACTED --port 1"),
        ("?model=x&api_key=abc", "?model=x&api_key=REDACTED"),
        ("secrets are never read", "secrets are never read"),
        ("password-protected files", "password-protected files"),
        ("state=Ready", "state=Ready"),
    ],
)
def test_patterns(text: str, clean: str) -> None:
    assert redact.text(text) == clean
