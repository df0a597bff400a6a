"""What is read from forms: numbers, amounts and ids, and what is none of them beside its field."""

from collections.abc import Callable

import pytest

from app.errors import Invalid
from app.pages.forms import Form
from tests.pages.conftest import SurferOf


def test_what_is_entered_is_read() -> None:
    form = Form([("price", " 1.25 "), ("hours", "07"), ("none", " "), ("row", "3"), ("row", "4"), ("row", "3")])
    assert form.amount("price") == form.amount_or_none("price") == 1_250_000
    assert form.whole("hours") == 7
    assert (form.amount_or_none("none"), form.whole("none")) == (None, None)
    assert form.ids("row") == [3, 4]
    assert form.ids("other") == []


@pytest.mark.parametrize(
    ("value", "read"),
    [("1,5", Form.amount), ("", Form.amount), ("1e999", Form.amount), ("NaN", Form.amount_or_none),
     ("-1", Form.whole), ("٣", Form.whole), ("9" * 30, Form.whole),
     ("1'", Form.ids), ("9" * 19, Form.ids), ("", Form.ids), ("a\x00", Form.text)],
)  # fmt: skip
def test_what_is_none_is_refused_beside_its_field(value: str, read: Callable[[Form, str], object]) -> None:
    with pytest.raises(Invalid) as refused:
        read(Form([("it", value)]), "it")
    assert refused.value.field == "it"


@pytest.mark.parametrize("charset", ["unicode_escape", "punycode", "undefined", '"idna"'])
async def test_a_form_with_files_is_read_as_utf_8_whatever_it_claims(surfer: SurferOf, charset: str) -> None:
    nobody = await surfer(None)
    sent = {**await nobody.hidden("/admin/sign-in"), "email": "\\ud800ü@example.com", "password": "\\ud800"}
    parts = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in sent.items()
    )
    kind = f"multipart/form-data; boundary=x; charset={charset}"
    answer = await nobody.http.post("/admin/sign-in", content=f"{parts}--x--\r\n", headers={"Content-Type": kind})
    assert answer.status_code == 422
    assert 'value="\\ud800ü@example.com"' in answer.text
