"""What the server answers to the page."""

import httpx
from browsed_page import Server


def test_everything_the_page_loads_carries_its_security_policy(silent: Server) -> None:
    for path in ("", "ui/main.js", "ui/page.css", "ui/config.json", "ui/stream.json", "ui/audio/capture-worklet.js"):
        policy = httpx.get(f"{silent.url}{path}").raise_for_status().headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self'; connect-src 'self' ws: wss:;")
        assert "unsafe" not in policy


def test_the_page_is_told_the_stream_s_port_and_behind_a_proxy_its_own_origin(silent: Server) -> None:
    assert httpx.get(f"{silent.url}ui/config.json").json()["stream"]["port"] == silent.port
    proxied = httpx.get(f"{silent.url}ui/config.json", headers={"X-Forwarded-For": "192.0.2.1"})
    assert proxied.json()["stream"] == {"port": None, "path": "/asr/v0.1/stream"}


def test_why_a_stream_would_be_refused_is_told_in_the_handshake_s_words(silent: Server) -> None:
    ask = f"{silent.url}ui/stream.json"
    assert httpx.get(ask).json() == {"refusal": None}
    refusal = httpx.get(f"{ask}?alternatives=0").json()["refusal"]
    handshake = httpx.get(f"http://localhost:{silent.port}/asr/v0.1/stream?alternatives=0")
    assert (refusal["status"], f"400 {refusal['message']}\n") == (handshake.status_code, handshake.text)


def test_the_page_does_not_show_in_the_api_s_description(silent: Server) -> None:
    paths = httpx.get(f"{silent.url}openapi.json").json()["paths"]
    assert "/v1/models" in paths
    assert [path for path in paths if path == "/" or path.startswith("/ui")] == []
