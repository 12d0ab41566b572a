"""The page when things go wrong, for every kind of user, and without the rest of the world."""

import websockets
from axe_playwright_python.async_playwright import Axe
from browsed_page import Server, browsing, serving
from playwright.async_api import Page, expect

STREAM = "/asr/v0.1/stream"


async def say(page: Page) -> None:
    await page.get_by_role("button", name="Microphone").click()


async def test_a_full_server_is_named_and_tried_again_until_there_is_room(silent: Server) -> None:
    async with browsing(silent.url) as browsed:
        async with websockets.connect(f"ws://localhost:{silent.port}{STREAM}", proxy=None):
            await say(browsed.page)
            told = (
                "The server refused the stream: maximum number of simultaneous connections reached (1); "
                "try again later. Trying again in 1 s (1 of 5)."
            )
            await expect(browsed.page.get_by_role("alert")).to_have_text(told)
        await browsed.status("Listening")
        await expect(browsed.page.get_by_role("alert")).to_be_hidden()


async def test_a_request_that_cannot_be_served_is_explained_and_not_repeated(silent: Server) -> None:
    async with browsing(f"{silent.url}?model=nowhere") as browsed:
        await say(browsed.page)
        told = "The server refused the stream: model nowhere is not served here; served is general."
        await expect(browsed.page.get_by_role("alert")).to_have_text(told)
        await expect(browsed.page.get_by_role("button", name="Microphone")).to_be_visible()
        assert len(browsed.streams) == 1


async def test_a_server_that_goes_in_the_middle_is_looked_for_until_the_user_gives_up() -> None:
    with serving("--backend", "null") as server:
        async with browsing(server.url) as browsed:
            await say(browsed.page)
            await browsed.status("Listening")
            server.process.kill()
            alert = browsed.page.get_by_role("alert")
            await expect(alert).to_contain_text("The connection was lost")
            await expect(alert).to_contain_text("The server does not answer. Is it running")
            stop = browsed.page.get_by_role("button", name="Stop")
            await stop.click()
            await expect(stop).to_be_enabled()
            await stop.click()
            await expect(alert).to_have_text("Given up. What came so far stands.")


async def test_a_file_that_is_no_recording_is_refused_with_what_would_do(silent: Server) -> None:
    async with browsing(silent.url) as browsed:
        await browsed.page.set_input_files(
            "#file", files=[{"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no sound"}]
        )
        told = "notes.txt cannot be read; give wav, flac, mp3, ogg or m4a."
        await expect(browsed.page.get_by_role("alert")).to_have_text(told)


async def test_an_address_that_is_no_websocket_is_refused_with_what_would_do(silent: Server) -> None:
    async with browsing(f"{silent.url}?url=http://localhost:1") as browsed:
        await say(browsed.page)
        told = "The server's address begins with http:; give one that begins with ws: or wss:."
        await expect(browsed.page.get_by_role("alert")).to_have_text(told)


async def test_everything_can_be_done_with_the_keyboard_alone(silent: Server) -> None:
    async with browsing(silent.url) as browsed:
        keyboard, focused = browsed.page.keyboard, browsed.page.locator(":focus")
        await keyboard.press("Tab")
        await expect(focused).to_have_text("Microphone")
        await keyboard.press("Enter")
        await browsed.status("Listening")
        await expect(focused).to_have_text("Stop")
        await keyboard.press("Space")
        await browsed.status("Finished")
        await expect(focused).to_have_text("Microphone")
        seen = []
        for _ in range(3):
            await keyboard.press("Tab")
            seen.append(await focused.get_attribute("id") or await focused.text_content())
        assert seen == ["choose", "text", "Settings"]
        await keyboard.press("Enter")
        await keyboard.press("Tab")
        await keyboard.type("nowhere")
        assert await browsed.page.get_by_label("Model", exact=True).input_value() == "nowhere"
        async with browsed.page.expect_file_chooser():
            for _ in range(3):
                await keyboard.press("Shift+Tab")
            await keyboard.press("Enter")


async def test_axe_finds_nothing_to_mend_in_any_state_and_scheme(starter: Server) -> None:
    for scheme in ("light", "dark"):
        async with browsing(f"{starter.url}?alternatives=3", color_scheme=scheme) as browsed:
            await violations(browsed.page)
            await browsed.page.get_by_text("Settings", exact=True).click()
            await say(browsed.page)
            await browsed.status("Listening")
            await violations(browsed.page)
            await browsed.page.get_by_role("button", name="Stop").click()
            await browsed.status("Finished")
            await browsed.page.get_by_label("Model", exact=True).fill("nowhere")
            await say(browsed.page)
            await expect(browsed.page.get_by_role("alert")).to_be_visible()
            await violations(browsed.page)


async def violations(page: Page) -> None:
    """Fails with axe's report when it finds any."""
    found = await Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


async def test_on_a_narrow_screen_nothing_scrolls_sideways(silent: Server) -> None:
    async with browsing(silent.url, viewport={"width": 320, "height": 640}) as browsed:
        await browsed.page.get_by_text("Settings", exact=True).click()
        assert await browsed.page.evaluate("document.documentElement.scrollWidth") == 320


async def test_the_page_asks_nobody_but_its_own_server(silent: Server) -> None:
    async with browsing(silent.url) as browsed:
        await say(browsed.page)
        await browsed.status("Listening")
        asked = {url.partition("?")[0] for url in browsed.requested}
        assert browsed.console == []
    streams = {url for url in asked if url.startswith("ws:")}
    assert streams == {f"ws://localhost:{silent.port}{STREAM}"}
    assert [url for url in asked - streams if not url.startswith(silent.url)] == []
