"""The reader of ``parameters``: its short cut and its long way agree, and hostile texts take no time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.dhru.parameters import decode, read_tags
from app.api.dhru.replies import Malformed

NAMES = st.sampled_from(["ID", "IMEI", "imei", "LINK", "ORDER", "PARAMETERS", "A.b-c:d", "Ü"])
VALUES = st.sampled_from(["", "1", " x ", "&amp;", "&#xE8;", "&egrave;", "&nope;", ">", "<", "<![CDATA[<]]>", "a&b"])
PIECES = st.one_of(
    st.tuples(NAMES, VALUES).map(lambda pair: f"<{pair[0]}>{pair[1]}</{pair[0]}>"),
    st.sampled_from(["<LINK>", "\n", "x", "<ID>", "</ID>", "<ID/>", "<!-- -->"]),
)
BLOCKS = st.lists(PIECES, max_size=5).map(lambda pieces: f"<PARAMETERS>{''.join(pieces)}</PARAMETERS>")


def outcome(read: object, text: str) -> object:
    try:
        return read(text)  # type: ignore[operator]  # one of the two readers
    except Malformed as error:
        return error.description


@given(st.lists(BLOCKS, min_size=1, max_size=2).map("\n".join))
def test_the_short_cut_reads_what_the_long_way_reads(text: str) -> None:
    assert outcome(decode, text) == outcome(lambda whole: read_tags(whole).content(), text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        (" \r\n", {}),
        ("null", {}),
        ("< />", {}),
        ("</>", {}),
        ("<PARAMETERS/>", {}),
        ("<PARAMETERS></PARAMETERS>", {}),
        ("<PARAMETERS>\n <ID> 5 </ID>\n</PARAMETERS>\n", {"ID": " 5 "}),
        ("<PARAMETERS><ID>1</ID></PARAMETERS><PARAMETERS/>", {}),
        ('<PARAMETERS a="1"><ID b="2">1</ID></PARAMETERS>', {"ID": "1"}),
        ("<PARAMETERS><N>a &lt; b &amp;amp; c</N></PARAMETERS>", {"N": "a < b &amp; c"}),
        ("<PARAMETERS><N>a < b > c</N></PARAMETERS>", {"N": "a < b > c"}),
        ("<PARAMETERS><LINK><ID>1</ID><META></PARAMETERS>", {"ID": "1"}),
        ("<REQUEST><ORDER><ID>1</ID></ORDER><ORDER><ID>2</ID></ORDER></REQUEST>", [{"ID": "1"}, {"ID": "2"}]),
        ("eyJJRCI6MX0", {"ID": 1}),
        ("eyJJRCI6MX0=", {"ID": 1}),
        ("bnVsbA==", {}),
    ],
)
def test_what_texts_mean(text: str, value: object) -> None:
    assert decode(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "<PARAMETERS>" * 200_000,
        "<a>" * 200_000,
        "<!--" * 200_000,
        "<PARAMETERS>" + "<a></a>" * 200_000 + "x",
        "<" * 1_000_000,
        "<a " + "b" * 1_000_000,
        "&" * 1_000_000 + "&lt;",
        "[" * 1_000_000,
        "A" * 1_000_001,
        "<PARAMETERS>" + " " * 1_000_000 + "<",
    ],
    ids=lambda text: text[:14],
)
def test_hostile_texts_are_refused_in_one_pass(text: str) -> None:
    # A reader that looked back over a million characters would never come to the assertion.
    with pytest.raises(Malformed):
        decode(text)
