"""The cluster's certificates and keys: three authorities, because one for all is refused by the API server.

`ca` signs what talks to the API server and to the kubelets, `front-proxy-ca` signs the aggregation
layer's client (with the same authority any client certificate would pass as the aggregator), and
`etcd-ca` signs etcd's two ends.
"""

import datetime
import ipaddress
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = datetime.timedelta(days=3650)


@dataclass(frozen=True)
class Subject:
    """Whom a certificate names: Kubernetes reads the organisation as a group and the common name as a user."""

    common_name: str
    organisation: str = ""
    hosts: tuple[str, ...] = ()  # DNS names and addresses; a certificate with hosts can serve


@dataclass(frozen=True)
class Authority:
    """A certificate authority."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def ensure_pki(folder: Path, server_hosts: Sequence[str], nodes: Sequence[Subject]) -> None:
    """Makes all certificates of a cluster in `folder`, unless they are there.

    Args:
        folder: appears as a whole or not at all.
        server_hosts: DNS names and addresses under which the API server is reached.
        nodes: the kubelets, whose certificates serve as well.
    """
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".pki."))
    try:
        _write_all(draft, server_hosts, nodes)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def ensure_server_pki(folder: Path, name: str, hosts: Sequence[str]) -> None:
    """An authority of its own for one server, unless it is there: `ca.crt`, and `NAME.crt` with `NAME.key`.

    Args:
        folder: appears as a whole or not at all.
        name: of the server's files and in its certificate.
        hosts: DNS names and addresses under which it is reached.
    """
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".pki."))
    try:
        _write_identity(draft, name, Subject(name, hosts=tuple(hosts)), _write_authority(draft, "ca", f"{name}-ca"))
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write_all(folder: Path, server_hosts: Sequence[str], nodes: Sequence[Subject]) -> None:
    cluster = _write_authority(folder, "ca", "gharial-box")
    front_proxy = _write_authority(folder, "front-proxy-ca", "gharial-box-front-proxy")
    etcd = _write_authority(folder, "etcd-ca", "gharial-box-etcd")
    for name, subject in {
        "apiserver": Subject("kube-apiserver", hosts=tuple(server_hosts)),
        "apiserver-kubelet-client": Subject("kube-apiserver-kubelet-client", "system:masters"),
        "admin": Subject("kubernetes-admin", "system:masters"),
        "controller-manager": Subject("system:kube-controller-manager"),
        "scheduler": Subject("system:kube-scheduler"),
        "kube-proxy": Subject("system:kube-proxy"),
    }.items():
        _write_identity(folder, name, subject, cluster)
    for node in nodes:
        _write_identity(folder, node.common_name.rpartition(":")[2], node, cluster)
    _write_identity(folder, "front-proxy-client", Subject("front-proxy-client"), front_proxy)
    _write_identity(folder, "etcd", Subject("etcd", hosts=("127.0.0.1", "localhost")), etcd)
    _write_identity(folder, "apiserver-etcd-client", Subject("kube-apiserver-etcd-client"), etcd)
    service_accounts = ec.generate_private_key(ec.SECP256R1())
    _write_key(folder / "service-accounts.key", service_accounts)
    (folder / "service-accounts.pub").write_bytes(
        service_accounts.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def _write_authority(folder: Path, name: str, common_name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    certificate = (
        _builder(who, who, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_key(folder / f"{name}.key", key)
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(certificate, key)


def _write_identity(folder: Path, name: str, subject: Subject, authority: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name)]
    if subject.organisation:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject.organisation))
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        _builder(x509.Name(attributes), authority.certificate.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    )
    if subject.hosts:
        purposes.append(ExtendedKeyUsageOID.SERVER_AUTH)
        names = [_general_name(host) for host in subject.hosts]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False).sign(
        authority.key, hashes.SHA256()
    )
    _write_key(folder / f"{name}.key", key)
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
