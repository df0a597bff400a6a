"""What no connector may take for an answer: driven through every kind, without a recording of its own.

``place`` must end in a word that sends nobody's money back and books nobody's order; ``check`` must not finish one.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from app.connectors import registry
from app.connectors.base import Connector, Placed, PlaceRequest, ReportStatus
from app.connectors.errors import ConnectorError, NotSent, Refused, Unclear, Unsupported
from tests.connectors.harness import Answer, has_wire, load, replay, request_of, secret_for, standing


def _raises(error: type[httpx2.RequestError]) -> Answer:
    def answer(request: httpx2.Request) -> httpx2.Response:
        raise error("it broke", request=request)

    return answer


def _says(content: bytes, status: int = 200, kind: str = "text/html") -> Answer:
    return lambda _: httpx2.Response(status, headers={"Content-Type": kind}, content=content)


NEVER_LEFT = {
    "connection refused": _raises(httpx2.ConnectError),
    "connect time-out": _raises(httpx2.ConnectTimeout),
    "no free connection": _raises(httpx2.PoolTimeout),
}

PAGE = b'<!DOCTYPE html><html><head><title>%s</title></head><body><script>var x={"SUCCESS":[1]};</script></body></html>'

NO_ANSWER = {
    "read time-out": _raises(httpx2.ReadTimeout),
    "write time-out": _raises(httpx2.WriteTimeout),
    "reset": _raises(httpx2.ReadError),
    "broken pipe": _raises(httpx2.WriteError),
    "broken protocol": _raises(httpx2.RemoteProtocolError),
    "undecodable": _raises(httpx2.DecodingError),
    "500": _says(b"Internal Server Error", 500),
    "502 page": _says(PAGE % b"Bad Gateway", 502),
    "503 JSON": _says(b'{"message":"Service Unavailable"}', 503, "application/json"),
    "504": _says(b"", 504),
    "520": _says(PAGE % b"Cloudflare", 520),
    "301": _says(b"", 301),
    "302 to a login": lambda _: httpx2.Response(302, headers={"Location": "/login"}),
    "firewall with 200": _says(PAGE % b"Just a moment... Cloudflare"),
    "firewall with 403": _says(b"<h1>403 Forbidden</h1>", 403),
    "firewall with 409": _says(b"<script>document.cookie='a=b'</script>", 409),
    "415": _says(b"Unsupported Media Type", 415),
    "Imunify in JSON": _says(b'{"message":"Access denied by Imunify360 bot-protection."}', 200, "application/json"),
    "home page": _says(PAGE % b"Welcome"),
    "404": _says(PAGE % b"Not Found", 404),
    "empty": _says(b""),
    "blanks": _says(b" \r\n"),
    "null": _says(b"null", 200, "application/json"),
    "empty array": _says(b"[]", 200, "application/json"),
    "empty object": _says(b"{}", 200, "application/json"),
    "a number": _says(b"1", 200, "application/json"),
    "a word": _says(b'"SUCCESS"', 200, "application/json"),
    "garbage": _says(bytes(range(256))),
    "deep": _says(b"[" * 100_000, 200, "application/json"),
    "cut JSON": _says(b'{"SUCCESS":[{"MESSAGE":"Order received","REFERENCEID":"12', 200, "application/json"),
    "PHP died": _says(b"<b>Fatal error</b>: Maximum execution time of 30 seconds exceeded in {closure}"),
}

KINDS = [kind for kind in registry.kinds() if has_wire(kind)]
NO_WIRE = [kind for kind in registry.kinds() if not has_wire(kind)]


def _build(kind: str, answer: Answer, config: dict[str, Any] | None = None) -> Connector[Any]:
    secrets = {name: secret_for(name) for name in registry.secret_names(kind)}
    config = config or load(kind)[0]["config"]
    return registry.build(kind, {**config, **secrets}, transport=httpx2.MockTransport(standing(kind, answer)))


def _recorded(kind: str, call: str, wanted: Callable[[Any], bool]) -> Iterator[dict[str, Any]]:
    """The good recordings of ``call`` that are one request and one reply, so that the reply can be spoilt."""
    return (
        entry
        for entry in load(kind)
        if entry["call"] == call and "returns" in entry and "reply" in entry and wanted(entry["returns"])
    )


def _request(entry: dict[str, Any]) -> PlaceRequest:
    (argument,) = entry["arguments"]
    return request_of(argument)


def _any_order(kind: str) -> PlaceRequest:
    return _request(next(_recorded(kind, "place", lambda _: True)))


def _reply_bytes(entry: dict[str, Any]) -> bytes:
    reply = entry["reply"]
    return str(reply["text"] if "text" in reply else json.dumps(reply["json"])).encode()


async def _place(connector: Connector[Any], request: PlaceRequest) -> type[ConnectorError] | Placed:
    try:
        return await connector.place(request)
    except ConnectorError as error:
        return type(error)


async def _place_many(connector: Connector[Any], request: PlaceRequest) -> set[type[ConnectorError] | type[Placed]]:
    try:
        found = await connector.place_many([request])
    except ConnectorError as error:
        return {type(error)}
    return {type(outcome) for outcome in found.values()}


@pytest.mark.parametrize("failure", NEVER_LEFT)
@pytest.mark.parametrize("kind", KINDS)
async def test_what_never_left_is_not_sent(kind: str, failure: str) -> None:
    connector = _build(kind, NEVER_LEFT[failure])
    assert await _place(connector, _any_order(kind)) is NotSent
    assert await _place_many(connector, _any_order(kind)) <= {NotSent, Unsupported}


@pytest.mark.parametrize("failure", NO_ANSWER)
@pytest.mark.parametrize("kind", KINDS)
async def test_no_answer_to_placing_is_unclear(kind: str, failure: str) -> None:
    connector = _build(kind, NO_ANSWER[failure])
    assert await _place(connector, _any_order(kind)) is Unclear
    assert await _place_many(connector, _any_order(kind)) <= {Unclear, Unsupported}


@pytest.mark.parametrize("failure", [*NEVER_LEFT, *NO_ANSWER])
@pytest.mark.parametrize("kind", KINDS)
async def test_no_answer_to_checking_finishes_nothing(kind: str, failure: str) -> None:
    connector = _build(kind, (NEVER_LEFT | NO_ANSWER)[failure])
    for ids in (["9001"], ["9001", "9002"]):
        try:
            reports = await connector.check(ids)
        except ConnectorError:
            continue
        assert {report.status for report in reports} <= {ReportStatus.PENDING}


@pytest.mark.parametrize("failure", [*NEVER_LEFT, *NO_ANSWER])
@pytest.mark.parametrize("kind", KINDS)
async def test_no_answer_to_reading_is_no_empty_catalogue_and_no_balance(kind: str, failure: str) -> None:
    connector = _build(kind, (NEVER_LEFT | NO_ANSWER)[failure])
    with pytest.raises((NotSent, Unclear, Refused)):
        await connector.catalog()
    if any(entry["call"] == "balance" and entry["request"] for entry in load(kind)):
        with pytest.raises((NotSent, Unclear, Refused)):
            await connector.balance()
    else:
        assert await connector.balance() is None, "a kind without a balance call knows none"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_success_with_5xx_is_unclear(kind: str) -> None:
    for entry in _recorded(kind, "place", lambda _: True):
        connector = _build(kind, _says(_reply_bytes(entry), 500), entry["config"])
        assert await _place(connector, _request(entry)) is Unclear


@pytest.mark.parametrize("kind", KINDS)
async def test_pain_3_a_success_without_its_id_is_unclear(kind: str) -> None:
    """But where a service is answered at once and has no id at all, the answer itself has to be there."""
    for entry in _recorded(kind, "place", lambda _: True):
        # An id of ours may have a word of ours before theirs.
        remote_id = entry["returns"]["remote_id"].removeprefix("file:")
        if remote_id not in _reply_bytes(entry).decode():
            assert entry["returns"]["report"]["status"] in {ReportStatus.DONE, ReportStatus.FAILED}, entry["name"]
            continue
        without = _without(_whole(entry), remote_id)
        connector = _build(kind, _says(without.encode()), entry["config"])
        assert await _place(connector, _request(entry)) is Unclear, entry["name"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("call", ["place", "place_many", "check"])
async def test_a_reply_cut_anywhere_places_nothing_and_finishes_nothing(kind: str, call: str) -> None:
    """The inner objects of a reply that was cut look whole, and must not be taken for it."""
    for entry in _recorded(kind, call, lambda _: True):
        whole = _whole(entry)
        for size in range(0, len(whole), 3):
            sent = await replay(kind, {**entry, "reply": {"text": whole[:size]}})
            assert sent.get("raises", {}).get("word") in {"Unclear", "Unsupported"}, whole[:size]


@pytest.mark.parametrize("failure", [*NEVER_LEFT, *NO_ANSWER])
@pytest.mark.parametrize("kind", NO_WIRE)
async def test_what_needs_no_network_is_not_hurt_by_it(kind: str, failure: str) -> None:
    (order,) = (entry for entry in load(kind) if entry["call"] == "place" and "returns" in entry)
    connector = _build(kind, (NEVER_LEFT | NO_ANSWER)[failure])
    with connector.http.recording() as exchanges:
        placed = await connector.place(_request(order))
        (report,) = await connector.check([placed.remote_id])
        await connector.catalog()
        assert await connector.balance() is None
    assert report.status is ReportStatus.PENDING
    assert exchanges == []


@pytest.mark.parametrize("kind", KINDS)
async def test_errors_tell_no_secret(kind: str) -> None:
    secrets = [secret_for(name) for name in registry.secret_names(kind)]

    def answer(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError(f"sent {request.content.decode()} {request.headers} {' '.join(secrets)}")

    connector = _build(kind, answer)
    with connector.http.recording() as exchanges, pytest.raises(NotSent) as caught:
        await connector.place(_any_order(kind))
    for secret in secrets:
        assert secret not in f"{caught.value!r} {exchanges}"
        assert secret not in f"{connector.config!r} {connector.config}"


def _whole(entry: dict[str, Any]) -> str:
    """The reply of a recording, to be spoilt: JSON without the dirt before it, XML as it came."""
    text = _reply_bytes(entry).decode()
    return json.dumps(json.loads(text[text.index('{"') :])) if '{"' in text else text


def _without(text: str, remote_id: str) -> str:
    return json.dumps(_blanked(json.loads(text), remote_id)) if text[:1] == "{" else text.replace(remote_id, "")


def _blanked(node: Any, remote_id: str) -> Any:
    if isinstance(node, dict):
        return {key: _blanked(item, remote_id) for key, item in node.items()}
    if isinstance(node, list):
        return [_blanked(item, remote_id) for item in node]
    return "" if str(node) == remote_id else node
