"""The fleet on the page. Faked: the operator's port, which answers with what its own code makes."""

import http.server
import json
import threading
from collections.abc import Iterator

import pytest
from axe_playwright_python.async_playwright import Axe
from browsed_page import Server, browsing, serving
from gharial_api import AsrCardPool, AsrModel
from gharial_operator.fleet import fleet
from manifests import model, pool
from playwright.async_api import expect


@pytest.fixture
def operator() -> Iterator[str]:
    """The address of a /fleet with one pool and one model."""
    ready = [
        {
            "type": "Ready",
            "status": "True",
            "reason": "CardsReady",
            "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ]
    cards = pool() | {"status": {"nodes": 2, "cards": {"total": 8, "ready": 7}, "conditions": ready}}
    english = model() | {"status": {"replicas": 7, "readyReplicas": 6, "activeStreams": 301, "streamCapacity": 420}}
    body = json.dumps(fleet([AsrCardPool.model_validate(cards)], [AsrModel.model_validate(english)])).encode()

    class Fleet(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fleet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/fleet"
        server.shutdown()


async def test_pools_and_models_are_shown_where_the_operator_is_in_reach(operator: str) -> None:
    with serving("--backend", "null", "--fleet-url", operator) as server:
        async with browsing(server.url) as browsed:
            tables = browsed.page.get_by_role("table")
            await expect(tables).to_have_count(2)
            assert (await Axe().run(browsed.page)).violations_count == 0
            await browsed.page.set_viewport_size({"width": 320, "height": 640})
            assert await browsed.page.evaluate("document.documentElement.scrollWidth") == 320
            rows = [await table.locator("tbody tr").all_inner_texts() for table in await tables.all()]
    assert rows == [
        ["cards\tsimulated\t2\t8\t7\tCardsReady"],
        ["default/english\tcards\t6 of 7\t301\t420\t"],
    ]


async def test_without_an_operator_the_page_has_no_fleet_and_asks_for_none(silent: Server) -> None:
    async with browsing(silent.url) as browsed:
        await expect(browsed.page.get_by_role("heading", name="Fleet")).to_be_hidden()
        assert [url for url in browsed.requested if "fleet.json" in url] == []
