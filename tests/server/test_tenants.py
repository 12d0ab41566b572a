"""Keys of tenants: whose a key is, how many streams it opens, and how keys change while the server runs."""

import json
from pathlib import Path

import pytest
from gharial_server.admission import Refusal
from gharial_server.tenants import Tenant, Tenants, key_of, read_key
from websockets.exceptions import InvalidStatus

TARGET = "/asr/v0.1/stream?content_type=audio/x-raw;format=S16LE;channels=1;rate=16000"

ACME, GLOBEX = "acme-key-0123456789", "globex-key-0123456789"


def mount(folder: Path, **keys: str) -> None:
    """A folder of keys as Kubernetes mounts a Secret: names that lead through a link, which changes at once."""
    version = folder / f"..{len(list(folder.iterdir()))}"
    version.mkdir()
    for name, text in keys.items():
        (version / name.replace("__", ".")).write_text(text)
        if not (folder / name.replace("__", ".")).is_symlink():
            (folder / name.replace("__", ".")).symlink_to(Path("..data", name.replace("__", ".")))
    (folder / "..new").symlink_to(version.name)
    (folder / "..new").replace(folder / "..data")


def mounted(folder: Path, limit: int | None = None, **keys: str) -> Tenants:
    mount(folder, **keys)
    return Tenants(folder, limit)


def refused(verdict: Tenant | Refusal | None) -> tuple[int, str]:
    assert isinstance(verdict, Refusal)
    return verdict.status, verdict.reason


def test_a_key_is_found_in_header_bearer_and_query_in_this_order() -> None:
    assert key_of({"X-API-Key": "a", "Authorization": "Bearer b"}, "c") == "a"
    assert key_of({"Authorization": "bearer  b"}, "c") == "b"
    assert key_of({"Authorization": "Basic eDp5"}, "c") == "c"
    assert key_of({}, None) is None


def test_a_key_belongs_to_the_tenant_its_file_is_named_for(tmp_path: Path) -> None:
    tenants = mounted(tmp_path, acme=ACME + "\n", globex=json.dumps({"key": GLOBEX, "maxStreamsPerPod": 2}))
    assert tenants.identify(ACME) == Tenant("acme")
    assert tenants.identify(GLOBEX) == Tenant("globex", 2)
    assert refused(tenants.identify("somebody-elses-key")) == (401, "bad_key")
    assert refused(tenants.identify(None)) == (401, "no_key")


def test_a_tenant_at_its_limit_is_refused_and_others_are_not(tmp_path: Path) -> None:
    tenants = mounted(tmp_path, 1, acme=ACME, globex=json.dumps({"key": GLOBEX, "maxStreamsPerPod": 2}))
    acme, globex = tenants.identify(ACME), tenants.identify(GLOBEX)
    assert isinstance(acme, Tenant) and isinstance(globex, Tenant)
    assert tenants.refuse(acme, 7) is None
    tenants.count(acme, 1)
    verdict = tenants.refuse(acme, 7)
    assert refused(verdict) == (429, "tenant_full") and isinstance(verdict, Refusal) and verdict.retry_after == 7
    assert tenants.refuse(globex, 7) is None
    tenants.count(acme, -1)
    assert tenants.refuse(acme, 7) is None


def test_a_key_is_replaced_without_a_moment_in_which_neither_works(tmp_path: Path) -> None:
    tenants = mounted(tmp_path, acme=ACME)
    mount(tmp_path, acme=ACME, acme__2=GLOBEX)
    tenants.refresh()
    assert tenants.identify(ACME) == tenants.identify(GLOBEX) == Tenant("acme")
    (tmp_path / "acme").unlink()
    mount(tmp_path, acme__2=GLOBEX)
    tenants.refresh()
    assert tenants.identify(GLOBEX) == Tenant("acme")
    assert refused(tenants.identify(ACME)) == (401, "bad_key")


def test_streams_of_a_tenant_count_on_when_its_keys_are_read_again(tmp_path: Path) -> None:
    tenants = mounted(tmp_path, acme=json.dumps({"key": ACME, "maxStreamsPerPod": 1}))
    tenant = tenants.identify(ACME)
    assert isinstance(tenant, Tenant)
    tenants.count(tenant, 1)
    mount(tmp_path, acme=json.dumps({"key": GLOBEX, "maxStreamsPerPod": 1}))
    tenants.refresh()
    renewed = tenants.identify(GLOBEX)
    assert isinstance(renewed, Tenant)
    assert refused(tenants.refuse(renewed, 1)) == (429, "tenant_full")


def test_keys_that_cannot_be_read_any_more_leave_the_old_ones_in_force(tmp_path: Path) -> None:
    tenants = mounted(tmp_path, acme=ACME)
    mount(tmp_path, acme="short")
    tenants.refresh()
    assert tenants.identify(ACME) == Tenant("acme")
    tmp_path.rename(tmp_path.with_name("gone"))
    tenants.refresh()
    assert tenants.identify(ACME) == Tenant("acme")


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("short", "openssl rand"),
        ('{"key": 12}', "openssl rand"),
        ('{"key": ', "no JSON object"),
        ('{"key": "0123456789abcdef", "limit": 3}', "known are key, maxStreamsPerPod"),
        ('{"key": "0123456789abcdef", "maxStreamsPerPod": 0}', "at least 1"),
        ('{"key": "0123456789abcdef", "maxStreamsPerPod": true}', "at least 1"),
    ],
)
def test_a_key_that_is_none_is_refused_by_name_and_remedy(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy) as refusal:
        read_key("acme", text, None)
    assert "acme" in str(refusal.value) and "0123456789abcdef" not in str(refusal.value)


def test_one_key_for_two_tenants_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="acme and globex have the same key"):
        mounted(tmp_path, acme=ACME, globex=ACME)


def test_a_folder_without_keys_names_the_secret_to_make(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"TenantKeysMissing: .* make the Secret"):
        Tenants(tmp_path)


async def status_of(harness, server, headers: dict[str, str], query: str = "") -> int:
    """101 when a stream was opened (and closed again), else the refusal."""
    try:
        async with harness.connect(server, TARGET + query, additional_headers=headers) as connection:
            await harness.end(connection)
            return 101
    except InvalidStatus as refusal:
        return refusal.response.status_code


async def test_a_stream_needs_a_key_wherever_it_may_stand(harness, tmp_path: Path) -> None:
    mount(tmp_path, acme=ACME)
    async with harness.serve(tenants=tmp_path) as server:
        assert await status_of(harness, server, {}) == 401
        assert await status_of(harness, server, {"x-api-key": GLOBEX}) == 401
        assert await status_of(harness, server, {"x-api-key": ACME}) == 101
        assert await status_of(harness, server, {"authorization": f"Bearer {ACME}"}) == 101
        assert await status_of(harness, server, {}, f"&api_key={ACME}") == 101


async def test_a_tenant_is_refused_beyond_its_limit_until_a_stream_of_its_own_ends(harness, tmp_path: Path) -> None:
    mount(tmp_path, acme=ACME, globex=GLOBEX)
    acme, globex = {"x-api-key": ACME}, {"x-api-key": GLOBEX}
    async with harness.serve(tenants=tmp_path, tenant_streams=1) as server:
        async with harness.connect(server, additional_headers=acme):
            assert await status_of(harness, server, acme) == 429
            assert await status_of(harness, server, globex) == 101
        await harness.until(lambda: server.service.load.active == 0)
        assert await status_of(harness, server, acme) == 101
