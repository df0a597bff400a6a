"""The page on webhooks says what is so: its sample verifies our messages, and its tables are those of the code."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.clock import now
from app.webhooks.delivery import BACKOFF, PAUSED_AFTER
from app.webhooks.kinds import EventKind
from app.webhooks.network import SEND_SECONDS
from app.webhooks.signing import new_secret, signed_headers

PAGE = (Path(__file__).parents[2] / "docs/webhooks.md").read_text()


def sample() -> Callable[[str, dict[str, str], bytes], bool]:
    """Return the function that the page tells customers to use."""
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # the page's own code is what is under test
    found: Callable[[str, dict[str, str], bytes], bool] = names["is_ours"]
    return found


def test_the_sample_takes_our_messages_and_turns_down_all_others() -> None:
    is_ours = sample()
    secret, other, body = new_secret(), new_secret(), '{"type": "test.ping", "data": "é"}'
    headers = signed_headers([other, secret], "msg_1", now(), body)
    assert is_ours(secret, headers, body.encode())
    assert is_ours(other, headers, body.encode())
    assert not is_ours(new_secret(), headers, body.encode())
    assert not is_ours(secret, headers, body.encode() + b" ")
    assert not is_ours(secret, {**headers, "webhook-id": "msg_2"}, body.encode())
    assert not is_ours(secret, {}, body.encode())
    old = signed_headers([secret], "msg_1", now() - timedelta(minutes=6), body)
    assert not is_ours(secret, old, body.encode())
    assert not is_ours(secret, {**old, "webhook-timestamp": str(int(time.time()))}, body.encode())


def test_a_signature_by_hand() -> None:
    """The example of the scheme's own document, https://www.standardwebhooks.com."""
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = signed_headers(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, '{"test": 2432232314}'
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_every_type_has_its_line() -> None:
    assert re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", PAGE, re.MULTILINE) == [kind.value for kind in EventKind]


def test_the_times_are_those_of_the_code() -> None:
    assert [str(wait) for wait in BACKOFF] == [
        "0:00:05",
        "0:00:30",
        "0:02:00",
        "0:10:00",
        "1:00:00",
        "3:00:00",
        "12:00:00",
        "1 day, 0:00:00",
    ]
    words = " ".join(PAGE.split())
    assert "after about 5 seconds, 30 seconds, 2 and 10 minutes, 1, 3, 12 and 24 hours. After nine attempts" in words
    assert (15, timedelta(days=3)) == (SEND_SECONDS, PAUSED_AFTER)
