"""What a DHRU site lets choose from: asked service by service, so many at a time, and read in every form."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.connectors._dhru_devices import MAX_CALLS, DeviceReading
from app.connectors.base import Brand, Choice, ChoicesOf, Device, DeviceCatalog, Network
from app.connectors.errors import Refused, Unclear, Unsupported
from tests.connectors.building import Build, building
from tests.fakes.dhru_choices import FakeDhruChoices
from tests.fakes.faults import Fault

BOTH = frozenset({Choice.DEVICE, Choice.NETWORK})
ASKING = {"701": BOTH | {Choice.MEP}, "702": frozenset({Choice.DEVICE})}


@pytest.fixture
def fake() -> FakeDhruChoices:
    return FakeDhruChoices()


@pytest.fixture
async def build(fake: FakeDhruChoices) -> AsyncIterator[Build]:
    async with building(fake, fake.config) as builder:
        yield builder


async def test_lists_are_read_of_the_services_that_ask(fake: FakeDhruChoices, build: Build) -> None:
    found = await build("dhru").device_catalog(ASKING)
    assert found.brands == (Brand("1", "Nokia"), Brand("2", "Siemens"))
    assert found.devices == (
        Device("11", "1", "5230"),
        Device("12", "1", "N95 & N96"),
        Device("21", "2", "M65"),
        Device("13", "1", "E7"),
    )
    assert found.networks == (
        Network("501", "Spain", "Movistar"),
        Network("502", "France", "SFR"),
        Network("503", "France", "Orange"),
    )
    assert found.meps == (("7", "MEP-04103-001"), ("8", "MEP-15326-002"))
    assert found.choices == (
        ChoicesOf("701", Choice.DEVICE, ("11", "12", "21")),
        ChoicesOf("701", Choice.NETWORK, ("501", "502", "503")),
        ChoicesOf("702", Choice.DEVICE, ("12", "13")),
    )
    assert (found.left, found.parts) == (0, ())
    assert fake.requests == {"meplist": 1, "modellist": 2, "providerlist": 1}


async def test_nothing_is_asked_where_no_service_asks(fake: FakeDhruChoices, build: Build) -> None:
    for asking in ({}, {"file:1": BOTH}):
        with pytest.raises(Unsupported):
            await build("dhru").device_catalog(asking)
    assert not fake.requests


async def test_a_site_without_such_lists_is_asked_once_for_each(fake: FakeDhruChoices, build: Build) -> None:
    fake.silent = {"modellist", "providerlist", "meplist"}
    with pytest.raises(Unsupported, match="Command Not Found"):
        await build("dhru").device_catalog({str(number): BOTH for number in range(100)} | ASKING)
    assert fake.requests == {"meplist": 1, "modellist": 1, "providerlist": 1}


async def test_of_the_calls_a_site_knows_the_lists_come(fake: FakeDhruChoices, build: Build) -> None:
    fake.silent = {"providerlist"}
    found = await build("dhru").device_catalog(ASKING)
    assert {one.choice for one in found.choices} == {Choice.DEVICE}
    assert found.left == 0


async def test_many_services_are_read_in_several_turns(fake: FakeDhruChoices, build: Build) -> None:
    asking = {str(number): BOTH for number in range(1000, 1100)}
    fake.models = {name: [{"ID": name, "NAME": "B", "MODELS": [{"ID": f"{name}1", "NAME": "M"}]}] for name in asking}
    done: list[str] = []
    read: list[str] = []
    for turn in range(1, 6):
        found = await build("dhru").device_catalog(asking, done)
        assert sum(fake.requests.values()) <= turn * MAX_CALLS
        read += [one.remote_id for one in found.choices if one.choice is Choice.DEVICE]
        done += found.parts
        assert found.left == 100 - turn * 20
    assert read == list(asking), "each once"


async def test_what_was_read_before_the_site_had_enough_is_kept(fake: FakeDhruChoices, build: Build) -> None:
    fake.script(Fault("throttled", "modellist"))
    with pytest.raises(Refused):
        await build("dhru").device_catalog({"702": frozenset({Choice.DEVICE})})
    fake.script(Fault("throttled", "providerlist"))
    found = await build("dhru").device_catalog({"702": frozenset({Choice.DEVICE}), "701": BOTH})
    assert (found.parts, found.left) == (("702",), 1)
    rest = await build("dhru").device_catalog({"702": frozenset({Choice.DEVICE}), "701": BOTH}, found.parts)
    assert [one.remote_id for one in rest.choices] == ["701", "701"]
    assert rest.left == 0


async def test_one_service_without_an_answer_does_not_stop_the_others(fake: FakeDhruChoices, build: Build) -> None:
    fake.script(Fault("garbage", "modellist"))
    found = await build("dhru").device_catalog({name: frozenset({Choice.DEVICE}) for name in ("701", "702")})
    assert [one.remote_id for one in found.choices] == ["702"]
    assert found.left == 0
    fake.script(Fault("garbage", "", times=-1))
    with pytest.raises(Unclear):
        await build("dhru").device_catalog({str(number): BOTH for number in range(100)})


async def test_a_service_that_has_no_list_says_so(fake: FakeDhruChoices, build: Build) -> None:
    found = await build("dhru").device_catalog({"999": frozenset({Choice.DEVICE})})
    assert found.choices == (ChoicesOf("999", Choice.DEVICE, ()),)


async def read(choice: Choice, listed: object) -> DeviceCatalog:
    async def ask(_: str, __: object) -> Any:
        return {"SUCCESS": [{"MESSAGE": "x", "LIST": listed}]}

    return await DeviceReading(ask).read({"1": {choice}}, ())


@pytest.mark.parametrize(
    "listed",
    [
        [{"ID": 1, "Name": "Nokia", "MODELS": [{"ID": 11, "Name": "5230"}]}],
        {"0": {"ID": "1", "NAME": " Nokia ", "MODELS": {"0": {"ID": "11", "NAME": "5230"}}}},
        [{"ID": "1", "NAME": "Nokia", "MODELS": {"ID": "11", "NAME": "5230"}}],
        {"1": {"BRAND": "Nokia", "MODELS": [{"ID": "11", "BRAND": "1", "MODEL": "5230"}]}},
        [{"ID": "1", "NAME": "Nokia", "MODELS": [{"ID": "11", "NAME": "5230"}, {"NAME": "no id"}, "x", {"ID": ""}]}, 5],
    ],
)
async def test_models_are_read_in_every_form(listed: object) -> None:
    found = await read(Choice.DEVICE, listed)
    assert (found.brands, found.devices) == ((Brand("1", "Nokia"),), (Device("11", "1", "5230"),))


@pytest.mark.parametrize(
    "listed",
    [
        [{"ID": 1, "NAME": "Spain", "PROVIDERS": [{"ID": 5, "NAME": "Movistar"}]}],
        [{"COUNTRY": "Spain", "NETWORKS": {"5": {"ID": "5", "COUNTRY": "1", "NETWORK": "Movistar"}}}],
    ],
)
async def test_providers_are_read_in_every_form(listed: object) -> None:
    assert (await read(Choice.NETWORK, listed)).networks == (Network("5", "Spain", "Movistar"),)


@pytest.mark.parametrize(
    "listed",
    [
        [{"ID": 5, "NAME": "MEP-1"}],
        {"5": {"ID": "5", "NAME": "MEP-1"}},
        [{"NAME": "BlackBerry", "MEPS": [{"ID": "5", "MEP": "MEP-1"}]}],
    ],
)
async def test_meps_are_read_in_every_form(listed: object) -> None:
    assert (await read(Choice.MEP, listed)).meps == (("5", "MEP-1"),)


@pytest.mark.parametrize("listed", ["none", None, 5])
async def test_what_is_no_list_is_not_an_empty_one(listed: object) -> None:
    with pytest.raises(Unclear):
        await read(Choice.DEVICE, listed)
