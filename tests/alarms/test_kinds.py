"""The kinds of alarms: each matters to a degree and says what to do."""

from app.alarms.kinds import MEANINGS, AlarmKind, Severity


def test_every_kind_says_how_much_it_matters_and_what_to_do() -> None:
    assert set(MEANINGS) == set(AlarmKind)
    for kind in AlarmKind:
        meaning = kind.meaning
        assert meaning.headline[0].isupper(), kind
        assert not meaning.headline.endswith("."), kind
        assert meaning.advice.endswith("."), kind
        assert ". " not in meaning.advice, f"{kind}: one sentence"
        assert len(meaning.headline) <= 80, kind
    headlines = [kind.meaning.headline for kind in AlarmKind]
    assert len(set(headlines)) == len(headlines)


def test_severities_are_in_order() -> None:
    assert sorted(Severity, key=lambda one: one.rank) == [Severity.NOTICE, Severity.WARNING, Severity.CRITICAL]
    assert {kind.meaning.severity for kind in AlarmKind} == set(Severity)
