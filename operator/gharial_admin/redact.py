"""Takes out what nobody but the admin may see: passwords, keys, tokens, licences. What is in doubt goes.

Objects are redacted by structure first, then every string by pattern; logs by pattern alone.
"""

import re
from typing import Any

from gharial_api import names
from gharial_api.base import JsonObject

GONE = "REDACTED"

#: Environment variables whose value is nobody's secret.
_PLAIN_ENV = frozenset({"HOME", "NODE_NAME", "POD_NAME", "OMP_NUM_THREADS", "PATH", "PYTHONUNBUFFERED"})
#: Parameters of an address that are nobody's secret.
_PLAIN_QUERY = frozenset({"model", "version", "language", "limit", "timeoutSeconds", "watch", "resourceVersion"})
_WORD = r"(?:pass(?:word|wd|phrase)?|secret|token|(?:api|access|private)[-_]?key|authorization|credentials?|signature)"

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Keys in PEM, whole or cut off by the log's first line.
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), GONE),
    # user:password@ in an address.
    (re.compile(r"(\w+://)[^/\s\"'@]+@"), rf"\1{GONE}@"),
    (re.compile(r"\b(Bearer|Basic|Negotiate)\s+[A-Za-z0-9._~+/=-]+", re.IGNORECASE), rf"\1 {GONE}"),
    # JSON web tokens.
    (re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"), GONE),
    # "password": "…", --api-key=…, X-API-Key: …, token=…
    (
        re.compile(
            rf"""((?:["']|--|\b)[\w.-]*{_WORD}[\w.-]*["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;&}}\]]+)""", re.I
        ),
        rf"\1{GONE}",
    ),
    (re.compile(rf"(--[\w-]*{_WORD}[\w-]*\s+)(?!-)\S+", re.I), rf"\1{GONE}"),
)
_QUERY = re.compile(r"([?&;])([\w.%~\[\]-]+)=([^&\s\"'#;]*)")
#: A long run of letters and digits of all sorts is a key in disguise; digests are hexadecimal and stay.
_RUN = re.compile(r"[A-Za-z0-9+/_-]{32,}={0,2}")
_HEX = re.compile(r"[0-9a-f-]+|[0-9A-F-]+")


def text(words: str) -> str:
    """A string or a log without secrets."""
    for pattern, instead in _PATTERNS:
        words = pattern.sub(instead, words)
    words = _QUERY.sub(_parameter, words)
    return _RUN.sub(_random, words)


def _parameter(found: re.Match[str]) -> str:
    mark, name, _ = found.groups()
    return found.group(0) if name in _PLAIN_QUERY else f"{mark}{name}={GONE}"


def _random(found: re.Match[str]) -> str:
    run = found.group(0)
    mixed = all(any(test(letter) for letter in run) for test in (str.isupper, str.islower, str.isdigit))
    return GONE if mixed and not _HEX.fullmatch(run) else run


def thing(found: JsonObject) -> JsonObject:
    """An object without secrets. Of Secrets and ConfigMaps only the names stay."""
    if found.get("kind") == "PartialObjectMetadata" or "metadata" not in found:
        return {"metadata": _names_alone(found.get("metadata") or {})}
    if found.get("kind") in {"Secret", "ConfigMap"}:
        return {"kind": found["kind"], "metadata": _names_alone(found["metadata"])}
    clean: JsonObject = _walk(found)
    clean["metadata"] = {**clean["metadata"], "annotations": _annotations(found["metadata"])}
    clean["metadata"].pop("managedFields", None)
    return clean


def _names_alone(metadata: JsonObject) -> JsonObject:
    """No annotation: kubectl keeps whole objects in one, a Secret's data included."""
    return {key: metadata[key] for key in ("name", "namespace", "creationTimestamp") if key in metadata}


def _annotations(metadata: JsonObject) -> JsonObject:
    """Our own; of others the names."""
    every = metadata.get("annotations") or {}
    return {key: text(str(value)) if names.GROUP in key else GONE for key, value in every.items()}


def _walk(part: Any) -> Any:
    if isinstance(part, dict):
        if "name" in part and "value" in part and isinstance(part["value"], str) and set(part) <= {"name", "value"}:
            return part if part["name"] in _PLAIN_ENV else {**part, "value": GONE}
        return {key: GONE if _secret_key(key, value) else _walk(value) for key, value in part.items()}
    if isinstance(part, list):
        return _words(part) if all(isinstance(each, str) for each in part) else [_walk(each) for each in part]
    return text(part) if isinstance(part, str) else part


def _secret_key(key: str, value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(rf"[\w.-]*{_WORD}", key, re.I) is not None


def _words(words: list[str]) -> list[str]:
    """A command line: the word after an option for a secret is one."""
    clean, hide = [], False
    for word in words:
        clean.append(GONE if hide and not word.startswith("-") else text(word))
        hide = re.fullmatch(rf"--?[\w-]*{_WORD}[\w-]*", word, re.I) is not None
    return clean
