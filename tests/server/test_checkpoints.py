"""From a checkpoint's URI to a verified file, over a real web server."""

import functools
import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from gharial_server.checkpoints import CheckpointError, obtain

CONTENT = b"weights " * 100_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Site(ThreadingHTTPServer):
    """Serves a folder; notes each request; answers the next `failures` of them with 503."""

    requests: list[str]
    failures: int


class Handler(SimpleHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        if self.server.failures:
            self.server.failures -= 1
            self.send_error(503)
        else:
            super().do_GET()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "model.pt").write_bytes(CONTENT)
    server = Site(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    server.requests, server.failures = [], 0
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def url(site: Site, name: str = "model.pt") -> str:
    return f"http://127.0.0.1:{site.server_address[1]}/{name}"


def files(folder: Path) -> set[str]:
    return {str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file() and "locks" not in f.parts}


def test_a_url_is_fetched_once_and_kept_under_its_sum(site: Site, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for _ in range(2):
        found = obtain(url(site), SHA256.upper(), cache)
        assert found.path == cache / SHA256 / "model.pt"
        assert found.path.read_bytes() == CONTENT
    assert site.requests == ["/model.pt"]
    assert files(cache) == {f"{SHA256}/model.pt"}


def test_pods_that_start_together_fetch_once(site: Site, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pods:
        found = set(pods.map(lambda _: obtain(url(site), SHA256, tmp_path / "cache"), range(4)))
    assert len(found) == 1
    assert site.requests == ["/model.pt"]


def test_a_wrong_sum_names_both_sums_and_leaves_nothing_in_the_cache(site: Site, tmp_path: Path) -> None:
    wrong = "0" * 64
    with pytest.raises(CheckpointError) as refused:
        obtain(url(site), wrong, tmp_path / "cache")
    assert refused.value.reason == "ChecksumMismatch"
    assert str(refused.value).startswith("ChecksumMismatch: ")
    assert SHA256 in str(refused.value)
    assert wrong in str(refused.value)
    assert files(tmp_path / "cache") == set()


def test_a_file_is_used_where_it_lies_and_checked_too(tmp_path: Path) -> None:
    path = tmp_path / "a model.pt"
    path.write_bytes(CONTENT)
    for uri in (str(path), path.as_uri()):
        assert obtain(uri, SHA256, tmp_path / "cache").path == path
    with pytest.raises(CheckpointError, match="ChecksumMismatch"):
        obtain(str(path), "0" * 64, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_without_a_sum_the_file_is_named_by_the_sum_it_has(site: Site, tmp_path: Path) -> None:
    assert obtain(url(site), None, tmp_path).sha256 == SHA256


def test_a_damaged_copy_in_the_cache_is_fetched_again(site: Site, tmp_path: Path) -> None:
    kept = tmp_path / SHA256 / "model.pt"
    kept.parent.mkdir()
    kept.write_bytes(CONTENT[:-1])
    assert obtain(url(site), SHA256, tmp_path).path.read_bytes() == CONTENT


def test_a_server_that_is_briefly_out_of_order_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.failures = 1
    assert obtain(url(site), SHA256, tmp_path).sha256 == SHA256
    assert len(site.requests) == 2


@pytest.mark.parametrize("uri", ["/no/such/file.pt", "s3://bucket/model.pt"])
def test_what_is_not_there_is_said_with_a_remedy(uri: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"CheckpointNotFound: .*give a path.*http\(s\) URL"):
        obtain(uri, None, tmp_path)


def test_a_404_is_final_and_passwords_in_the_url_stay_out_of_the_message(site: Site, tmp_path: Path) -> None:
    address = url(site, "other.pt?token=hush")
    with pytest.raises(CheckpointError, match="CheckpointNotFound") as refused:
        obtain(address, SHA256, tmp_path)
    assert len(site.requests) == 1
    assert "hush" not in str(refused.value)
