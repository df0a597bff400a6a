"""What staff know of a supplier's wording is read before the tables of its kind, and by no other account."""

from typing import Any

import httpx2
import pytest

from app.connectors import registry
from app.connectors.base import PlaceRequest, ReportStatus, ServiceType, Wording
from app.connectors.errors import RefusalReason, Refused
from tests.connectors.harness import has_wire, load, secret_for

KINDS = [kind for kind in registry.kinds() if has_wire(kind)]
OURS = Wording(
    {"kein guthaben": RefusalReason.NO_FUNDS, "already": RefusalReason.BLOCKED},
    {"on hold": ReportStatus.PENDING, "7": ReportStatus.DONE, "success": ReportStatus.FAILED},
)


def build(kind: str, reply: Any = None, wording: Wording | None = None, **config: object) -> Any:
    given = {**load(kind)[0]["config"], **{name: secret_for(name) for name in registry.secret_names(kind)}, **config}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, **({} if reply is None else reply)))
    return registry.build(kind, given, wording=wording, transport=transport)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_ours_first_and_shows_its_own(kind: str) -> None:
    theirs, connector = build(kind), build(kind, wording=OURS)
    assert type(connector).statuses or kind == "isave", "a table that staff can see; iSave answers at once"
    assert connector.refusal("Fehler: KEIN GUTHABEN") is RefusalReason.NO_FUNDS
    assert connector.refusal("already there") is RefusalReason.BLOCKED
    assert theirs.refusal("Fehler: KEIN GUTHABEN") is RefusalReason.OTHER
    assert [connector.status_of(word) for word in ("on hold", "7", "success", "no such")] == [
        ReportStatus.PENDING,
        ReportStatus.DONE,
        ReportStatus.FAILED,
        None,
    ]
    assert theirs.status_of("on hold") is None
    for word, status in type(connector).statuses.items():
        assert theirs.status_of(word) is status
        assert word == word.lower()


DHRU_STATUS = {"json": {"SUCCESS": [{"STATUS": "7", "CODE": "the result"}]}}


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        ("dhru", DHRU_STATUS),
        ("isave_dhru", {"json": {"ID": "9001", "SUCCESS": [{"STATUS": "7", "CODE": "the result"}]}}),
        ("xiaomitoolkit_dhru", DHRU_STATUS),
        ("dhru_pro", {"json": {"status": "success", "data": {"status": "7", "replay": "the result"}}}),
    ],
)
async def test_an_unknown_status_is_pending_until_staff_know_it(kind: str, reply: Any) -> None:
    [unknown] = await build(kind, reply).check(["9001"])
    assert unknown.status is ReportStatus.PENDING
    assert unknown.note
    [known] = await build(kind, reply, OURS).check(["9001"])
    assert (known.status, known.text, known.note) == (ReportStatus.DONE, "the result", "")


async def test_in_bulk_and_in_gsm_fusion_too() -> None:
    bulk = {"json": {name: {"SUCCESS": [{"STATUS": "7", "CODE": "x"}]} for name in ("9001", "9002")}}
    reports = await build("dhru", bulk, OURS).check(["9001", "9002"])
    assert {report.status for report in reports} == {ReportStatus.DONE}
    text = "<result><imeis><id>1</id><statusId>7</statusId><status>Verified</status><code>x</code></imeis></result>"
    wording = Wording({}, {"7": ReportStatus.DONE, "verified": ReportStatus.DONE})
    [report] = await build("dhru", {"text": text}, wording, dialect="gsmfusion").check(["1"])
    assert report.status is ReportStatus.DONE
    [report] = await build("dhru", {"text": text}, OURS, dialect="gsmfusion").check(["1"])
    assert report.status is ReportStatus.PENDING, "the word is still unknown"


async def test_a_refusal_means_what_staff_say() -> None:
    reply = {"json": {"ERROR": [{"MESSAGE": "Kein Guthaben"}]}}
    order = PlaceRequest("1", "101", ServiceType.IMEI, "356557847079356")
    for wording, reason in ((None, "other"), (OURS, "no_funds")):
        with pytest.raises(Refused) as caught:
            await build("dhru", reply, wording).place(order)
        assert caught.value.reason == reason
