"""From what a user types behind --url to the URL of a stream."""

from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from gharial_wire.request import CONTENT_TYPE, STREAM_PATH

_SCHEMES = {"": "ws", "ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


def stream_url(given: str, **parameters: str | None) -> str:
    """Adds what is missing: scheme, path, content_type, and the parameters (those that are None are left out).

    What the user wrote into the URL stays as it is. Raises ValueError for another scheme or a missing host.
    """
    parts = urlsplit(given if "://" in given else f"ws://{given}")
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ValueError(f"the URL is {given!r}; give one like ws://localhost:3030")
    written = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True, separator="&")}
    added = {"content_type": CONTENT_TYPE} | {name: value for name, value in parameters.items() if value is not None}
    # Percent-encoded, so that no proxy on the way takes the `;` of content_type for a separator.
    query = urlencode({name: value for name, value in added.items() if name not in written}, safe="/", quote_via=quote)
    joined = "&".join(part for part in (parts.query, query) if part)
    path = parts.path if parts.path not in {"", "/"} else STREAM_PATH
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, joined, ""))
