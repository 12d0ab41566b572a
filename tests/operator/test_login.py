"""How the operator finds its API server and who it is there."""

import json
from pathlib import Path
from typing import Any

import pytest
from gharial_operator.login import log_in


def write(path: Path, user: dict[str, Any], current: str = "here") -> Path:
    document = {
        "current-context": current,
        "contexts": [{"name": "here", "context": {"cluster": "box", "user": "me"}}],
        "clusters": [{"name": "box", "cluster": {"server": "https://api.example.com:6443"}}],
        "users": [{"name": "me", "user": user}],
    }
    path.write_text(json.dumps(document))
    return path


def test_a_kubeconfig_says_where_the_api_server_is_and_who_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(write(tmp_path / "config", {"token": "secret"})))
    assert log_in().server == "https://api.example.com:6443"
    assert log_in().as_http_headers() == {"Authorization": "Bearer secret"}


def test_a_user_that_must_run_a_program_to_log_in_is_told_another_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(write(tmp_path / "config", {"exec": {"command": "aws"}})))
    with pytest.raises(RuntimeError, match="kubectl create token"):
        log_in()


def test_without_a_cluster_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    with pytest.raises(RuntimeError, match="set KUBECONFIG"):
        log_in()
    monkeypatch.setenv("KUBECONFIG", str(write(tmp_path / "config", {"token": "secret"}, current="there")))
    with pytest.raises(RuntimeError, match="lacks 'there'"):
        log_in()
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(RuntimeError, match="no way to reach a cluster"):
        log_in()
