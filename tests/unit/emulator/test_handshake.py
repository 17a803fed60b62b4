"""The opening handshake without sockets: requests in, answers out."""

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol

from speechmq_emulator.handshake import (
    AnsweringProtocol,
    HandshakeRefused,
    check,
    language_of,
)
from speechmq_emulator.keys import KeyRing

RING = KeyRing(["dev"])


def request(path: str, method: str = "GET", key: str | None = "dev") -> Request:
    headers = Headers() if key is None else Headers([("Authorization", f"Bearer {key}")])
    return Request(path, headers, method)


@pytest.mark.parametrize(
    "path",
    ["/v2", "/v2/", "/v2/en", "/v2/cmn_en?sm-app=x", "/v2?sm-app=a&other=1&jwt=", "http://h:1/v2"],
)
def test_request_for_a_session_is_admitted(path: str) -> None:
    check(request(path), RING)


NOWHERE: tuple[int, str, dict[str, str]] = (404, "No such endpoint; use /v2 or /v2/<language>", {})


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        (request("/"), NOWHERE),
        (request("/v1", "POST", None), NOWHERE),
        (request("/v2x"), NOWHERE),
        (request("/v2/en/more"), NOWHERE),
        (
            request("/v2", "POST", None),
            (405, "A WebSocket is opened by GET, not by POST", {"Allow": "GET"}),
        ),
        (
            request("/v2/en", "HEAD"),
            (405, "A WebSocket is opened by GET, not by HEAD", {"Allow": "GET"}),
        ),
        (
            request("/v2", key=None),
            (
                401,
                "No key; send it as Authorization: Bearer KEY or as ?jwt=KEY",
                {"WWW-Authenticate": "Bearer"},
            ),
        ),
        (
            request("//[v2"),
            (400, "The path of the request can not be read: Invalid IPv6 URL", {}),
        ),
    ],
)
def test_other_requests_are_refused(
    refused: Request, expected: tuple[int, str, dict[str, str]]
) -> None:
    with pytest.raises(HandshakeRefused) as raised:
        check(refused, RING)
    assert (raised.value.status, raised.value.reason, raised.value.headers) == expected


@pytest.mark.parametrize(
    ("path", "language"),
    [("/v2", None), ("/v2/?x=1", None), ("/v2/en", "en"), ("/v2/cmn_en?jwt=dev", "cmn_en")],
)
def test_language_of_a_path(path: str, language: str | None) -> None:
    assert language_of(path) == language


def answer(*data: bytes) -> tuple[bytes, bytes, bool]:
    """Status line and text that a protocol answers to the data, and whether it hung up."""
    protocol = AnsweringProtocol(like=ServerProtocol())
    for piece in data:
        protocol.receive_data(piece)
    protocol.receive_eof()
    written = protocol.data_to_send()
    head, _, text = b"".join(written).partition(b"\r\n\r\n")
    return head.partition(b"\r\n")[0], text, written[-1:] == [b""]


def test_post_with_a_body_is_answered_405_however_it_comes() -> None:
    post = b"POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    expected = (
        b"HTTP/1.1 405 Method Not Allowed",
        b"A WebSocket is opened by GET, not by POST\n",
        True,
    )
    assert answer(post) == expected
    assert answer(*(post[at : at + 1] for at in range(len(post)))) == expected


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"rubbish\r\n\r\n", b"invalid HTTP request line: rubbish"),
        (b"\x16\x03\x01\x02 \x00\r\n", b"invalid HTTP request line: "),
        (b"GET /v2\r\n\r\n", b"invalid HTTP request line: GET /v2"),
        (b"GET /v2 HTTP/1.1\r\nno colon\r\n\r\n", b"invalid HTTP header line: no colon"),
        (b"GET /v2 HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", b"unsupported request body"),
        (b"GET /v2 HTTP/2.0\r\n\r\n", b"unsupported protocol; expected HTTP/1.1 or HTTP/1.0"),
        (b"get /v2 HTTP/3\r\n\r\n", b"unsupported protocol; expected HTTP/1.1 or HTTP/1.0"),
        (b"MY-VERB-IS-LONGER-THAN-ANY x\r\n\r\n", b"invalid HTTP request line: MY-VERB-IS-LONG"),
    ],
)
def test_malformed_request_is_answered_400(data: bytes, cause: bytes) -> None:
    status, text, hung_up = answer(data)
    assert (status, hung_up) == (b"HTTP/1.1 400 Bad Request", True)
    assert text.startswith(b"This is no WebSocket handshake: " + cause)


def test_too_long_request_line_is_answered_414() -> None:
    status, _, hung_up = answer(b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n")
    assert (status, hung_up) == (b"HTTP/1.1 414 Request-URI Too Long", True)


@pytest.mark.parametrize("data", [b"", b"GET /v2 HT"])
def test_client_that_hangs_up_first_is_answered_nothing(data: bytes) -> None:
    assert answer(*([data] if data else [])) == (b"", b"", True)


def test_protocol_takes_over_the_limits_of_the_one_that_it_replaces() -> None:
    protocol = AnsweringProtocol(like=ServerProtocol(max_size=1234))
    assert (protocol.max_message_size, protocol.max_fragment_size) == (1234, None)
