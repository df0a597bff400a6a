"""doctorSIM's IMEI check as a text: what one request brings at once."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.connectors._dhru_reply import clean, folded, text_of
from app.connectors.base import Report, ReportStatus
from app.connectors.errors import Unclear

_DEVICE = {
    "imei": "IMEI",
    "tac": "Parts",
    "brandname": "Brand",
    "marketingname": "Device",
    "modelname": "Model",
    "devicetype": "Type",
}

_OPERATORS = {
    # "0: siempre mostraremos este valor que indica que el dispositivo no puede ser usado con el operador indicado."
    "0": "Not usable with",
    # "1: se puede usar"
    "1": "Usable with",
    # "2: status no confirmado por la GSMA, pero el dispositivo debería poder ser usado"
    "2": "Usable, not confirmed by the GSMA, with",
}


def read_check(remote_id: str, res: object) -> Report:
    """Return the report in ``res``; FAILED if there is none.

    ``{"data": {…}, "error": [{"code", "txt"}], "result": {"blackliststatus", "imeihistory", "lists", "url_report"},
    "type_pay": {"type": "F" or "P"}}``. Business errors come with status OK. With type P there is only the device and
    an empty ``result``: the report itself would have to be paid for. Raises ``Unclear`` for anything else.
    """
    body = folded(res)
    device, result = folded(body.get("data")), folded(body.get("result"))
    told = "; ".join(filter(None, (clean(text_of(folded(one).get("txt"))) for one in _rows(body.get("error")))))
    lines = [f"{title}: {text}" for key, title in _DEVICE.items() if (text := text_of(device.get(key)).strip())]
    if device and isinstance(result.get("blackliststatus"), bool) and not told:
        return Report(remote_id, ReportStatus.DONE, "\n".join([*lines, *_result(result)]))
    if device and body.get("result") in ({}, []):
        reason = told or "Only the device was told; the report would have to be paid for."
        return Report(remote_id, ReportStatus.FAILED, "\n".join([reason, *lines]))
    raise Unclear("the reply is no IMEI check")


def _result(result: Mapping[str, Any]) -> Iterator[str]:
    yield f"Blacklisted: {'yes' if result['blackliststatus'] else 'no'}"
    history = result.get("imeihistory")
    for event in map(folded, history if isinstance(history, list) else []):
        parts = [text_of(event.get(key)).strip() for key in ("date", "action", "by", "country")]
        yield f"History: {', '.join(filter(None, parts))}"
    lists = folded(result.get("lists"))
    operators: dict[str, list[str]] = {}
    for country in map(folded, [*_rows(lists.get("black")), *_rows(lists.get("white"))]):
        for operator in map(folded, _rows(country.get("opers"))):
            status = text_of(operator.get("status")).strip()
            operators.setdefault(status, []).append(text_of(operator.get("txt")).strip())
    for status, names in operators.items():
        yield f"{_OPERATORS.get(status, f'Status {status} with')}: {', '.join(names)}"
    if url := text_of(result.get("url_report")).strip():
        yield f"Report: {url}"


def _rows(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
