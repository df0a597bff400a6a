"""Where a message may go: public addresses over https and known ports, whatever a customer writes."""

from ipaddress import ip_network

import pytest

from app.errors import Invalid
from app.webhooks.destinations import Rules

PUBLIC = ("8.8.8.8", "1.1.1.1", "93.184.215.14", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111")
HIDDEN = (
    *("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1"),
    *("198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1"),
    *("2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "100::1", "3fff::1", "5f00::1", "2606:4700::1%eth0"),
    *("", "localhost", "2130706433", "0x7f.1", "127.1", "example.com"),
)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_reached(address: str) -> None:
    assert Rules().may_reach(address)


@pytest.mark.parametrize("address", HIDDEN)
def test_all_others_may_not(address: str) -> None:
    assert not Rules().may_reach(address)


def test_the_operator_may_name_networks_of_their_own() -> None:
    rules = Rules((ip_network("10.1.0.0/16"), ip_network("fd00::/8")))
    assert [rules.may_reach(text) for text in ("10.1.2.3", "fd12::1", "10.2.0.1", "127.0.0.1")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("url", "parsed"),
    [
        ("https://shop.example/hook?a=1", "https://shop.example/hook?a=1"),
        ("  https://shop.example  ", "https://shop.example"),
        ("https://shop.example:8443/", "https://shop.example:8443/"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
    ],
)
def test_an_address_that_may_be_sent_to(url: str, parsed: str) -> None:
    target = Rules().check(url)
    assert f"{target.scheme}://{target.netloc.decode()}{target.raw_path.decode()}".rstrip("/") == parsed.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example",
        "http://shop.example/",
        "ftp://shop.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "https://",
        "https:///path",
        "https://user:password@shop.example/",
        "https://user@shop.example/",
        "https://shop.example/#part",
        "https://shop.example:22/",
        "https://shop.example:6379/",
        "https://shop.example:99999/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://017700000001/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://shop.example/\r\nX-Injected: yes",
        "https://shop.example/" + "a" * 2_000,
        "https://shop.example:0/",
        "https://shop example/",
        "https://sh%6fp.example/",
        "https://shop..example/",
        "https://" + "a" * 64 + ".example/",
        "https://" + "a." * 127 + "example/",
        "https://shop.example/" + "é" * 500,  # longer once it is encoded
    ],
)
def test_an_address_that_may_not(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        Rules().check(url)
    assert caught.value.field == "url"


def test_plain_http_and_other_ports_are_the_operators_to_allow() -> None:
    rules = Rules(ports=frozenset({9000}), plain_http=True)
    assert rules.check("http://shop.example:9000/").port == 9000
    with pytest.raises(Invalid):
        rules.check("http://shop.example/")
