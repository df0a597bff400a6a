"""XML replies become the values their JSON would have been, and can reach nothing outside themselves."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.connectors._xml import read_xml

PROLOG = '<?xml version="1.0" encoding="UTF-8"?>\n'


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<R><A>1</A><B> two </B><C/></R>", {"A": "1", "B": "two", "C": ""}),
        (PROLOG + "<R><A>&lt;&amp;&#233;</A></R>", {"A": "<&é"}),
        ("\ufeff \n<R><A>é</A></R>", {"A": "é"}),
        ("<b>Notice</b>: x[0]<br />\n" + PROLOG + "<R><A>1</A></R>", {"A": "1"}),
        ("<?phpxml version='1.0'?><R><A>1</A></R>", {"A": "1"}),
        ("<R><L><item>1</item></L></R>", {"L": ["1"]}),
        ("<R><L><S>1</S><S>2</S></L></R>", {"L": ["1", "2"]}),
        ("<R><L>x</L><S>1</S><S>2</S></R>", {"L": "x", "S": ["1", "2"]}),
        ("<SUCCESS><A>1</A></SUCCESS>", {"SUCCESS": {"A": "1"}}),
        ("<R><!-- not said --><A><![CDATA[<b>1</b>]]></A><?pi x?></R>", {"A": "<b>1</b>"}),
        ("<R/>", ""),
    ],
)
def test_a_document_is_a_value(text: str, value: Any) -> None:
    assert read_xml(text) == value


def test_nothing_outside_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("kept to ourselves")
    uri = secret.as_uri()
    for text in (
        f'<!DOCTYPE r [<!ENTITY x SYSTEM "{uri}">]><r><a>&x;</a></r>',
        f'{PROLOG}<!DOCTYPE r SYSTEM "{uri}"><r><a>1</a></r>',
        f'{PROLOG}<!doctype r [<!ENTITY % x SYSTEM "{uri}"> %x;]><r><a>1</a></r>',
        '<!DOCTYPE r [<!ENTITY a "aa"><!ENTITY b "&a;&a;&a;">]><r><a>&b;</a></r>',
        "<r><a>&nbsp;</a></r>",
    ):
        assert read_xml(text) is None
    included = f'<r xmlns:xi="http://www.w3.org/2001/XInclude"><a>1</a><xi:include href="{uri}" parse="text"/></r>'
    assert "kept" not in repr(read_xml(included))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        '{"SUCCESS": []}',
        "<html><head><title>Just a moment</title></head></html>",
        "<h1>403 Forbidden</h1>",
        "<R><A>1</A>",
        "<R><A>1</R>",
        "<R><A>1</A></R><R/>",
        "<R><A>1</A></R> and more",
        "<a>" * 100_000,
        "<a>" * 1000 + "</a>" * 1000,
        "<R>\x00</R>",
    ],
)
def test_what_is_no_document_is_none(text: str) -> None:
    assert read_xml(text) is None


@given(st.text(alphabet="<>/!?&;AB1 \n\"'=[]", max_size=60))
def test_any_text_is_read_or_not(text: str) -> None:
    read_xml(text)


@given(st.integers(0, 60))
def test_a_document_cut_short_is_none(size: int) -> None:
    whole = "<R><SUCCESS><REFERENCEID>321</REFERENCEID></SUCCESS></R>"
    assert (read_xml(whole[:size]) is None) == (size < len(whole))
