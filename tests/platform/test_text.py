"""Results of suppliers, with HTML and without, as they are read."""

import time

import pytest

from app.text import plain


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Model: iPhone<br>Find My: <b style='color:red'>ON</b>", "Model: iPhone\nFind My: ON"),
        # What nl2br of PHP makes of two lines is two lines.
        ("one<br />\r\ntwo<BR>\nthree", "one\ntwo\nthree"),
        ("one<br><br>two<br><br><br><br>three", "one\n\ntwo\n\nthree"),
        ("<p>one</p>\n<p>two &amp; three</p>", "one\ntwo & three"),
        ("<table><tr><th>IMEI</th><td>35</td></tr><tr><th>Model</th><td>X</td></tr></table>", "IMEI 35\nModel X"),
        ("<ul><li>A: 1</li><li>B:&nbsp;2</li></ul>", "A: 1\nB: 2"),
        # A link is what was paid for; a picture may be.
        ('PDF: <a class="x" href="https://a.example/r?x=1&amp;y=2">Get</a>', "PDF: https://a.example/r?x=1&y=2 Get"),
        ('<a href="https://a.example/r">https://a.example/r</a> <img src=https://a.example/p.png />', None),
        ("<a href='javascript:alert(1)'>x</a>", "x"),
        # What only looks like a mark stays, and what was written as text is text.
        ("Mail <mary@example.com>, 3 < 4, &lt;b&gt;", "Mail <mary@example.com>, 3 < 4, <b>"),
        ("\nplain  \n\n  indented\nlast\r\n", "plain\n\n  indented\nlast"),
        ("", ""),
    ],
)
def test_a_result_is_read_as_it_would_be_in_a_page(written: str, read: str | None) -> None:
    assert plain(written) == (read if read is not None else "https://a.example/r https://a.example/p.png")


@pytest.mark.parametrize(
    "part", [" ", "\n", "<a ", "<br ", "<b/", "href=", "<a href=", "https://", "https://x ", "&amp", "<p>", "x <"]
)
def test_no_text_takes_long_to_read(part: str) -> None:
    started = time.process_time()
    plain(part * (500_000 // len(part)))
    assert time.process_time() - started < 2
