"""What a catalog lacks, what in it is old, and what runs out."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from modelroute.catalog import Api, Catalog, CatalogFinding, Model, Price, PriceRow, ProviderRow, Score, Target
from modelroute.catalog.dates import midnight
from modelroute.catalog.rates import Rates
from modelroute.errors import ConfigurationError
from modelroute.providers.dialects import DIALECTS
from modelroute.providers.profiles import PROFILES

TODAY = date(2026, 11, 22)
ROW = ProviderRow("acme", urls={"eu": "https://api.acme.example/v1"}, as_of="2026-11-01")
MODEL = Model("m", licence="MIT", scores=(Score(50, "intelligence", "us", "2026-11-01"),))


def dated(*rows: tuple[str, str, int]) -> Price:
    """A price of rows: since a day, read on a day, dollars per million."""
    return Price.dated(
        *(
            PriceRow(Rates.per_million(each, each), midnight(date.fromisoformat(since)), as_of=as_of, source="a list")
            for since, as_of, each in rows
        )
    )


PRICE = dated(("2026-10-01", "2026-11-01", 1))


def found(
    target: Target | None = None, row: ProviderRow = ROW, aliases: dict[str, str] | None = None
) -> list[CatalogFinding]:
    made = Target.of(MODEL, "acme", price=PRICE) if target is None else target
    catalog = Catalog(models=[made.model], providers=[row], targets=[made], aliases=aliases)
    return list(catalog.findings(TODAY, dialects=DIALECTS, profiles=PROFILES))


def target(model: Model = MODEL, **changes: object) -> Target:
    return replace(Target.of(model, "acme", price=PRICE), **changes)  # type: ignore[arg-type]


def test_a_catalog_that_lacks_nothing_has_no_findings() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("changed", "code", "subject", "words"),
    [
        (target(price=None), "unpriced", "m@acme", "never eligible under a ceiling"),
        (target(price=dated(("2026-11-23", "2026-11-20", 1))), "unpriced", "m@acme", "No price is known"),
        (target(replace(MODEL, scores=())), "unscored", "m", "passes no floor"),
        (target(replace(MODEL, licence=None)), "licence", "m", "unknown"),
        (target(retires="2026-11-21"), "retired", "m@acme", "2026-11-21"),
        (target(replace(MODEL, retires="2026-11-21")), "retired", "m@acme", "2026-11-21"),
        (target(retires="2026-11-22"), "expiring", "m@acme", "2026-11-22"),
        (target(retires="2026-12-22"), "expiring", "m@acme", "2026-12-22"),
        (target(price=dated(("2026-07-02", "2026-07-02", 1))), "stale", "m@acme", "143 days ago (2026-07-02)"),
        (
            target(price=dated(("2026-10-01", "2026-11-01", 1), ("2026-12-01", "2026-11-01", 2))),
            "price_ends", "m@acme", "on 2026-12-01: input 1 to 2, output 1 to 2 dollars",
        ),
        (target(dialect="gemni"), "dialect", "m@acme", "Did you mean 'gemini'"),
        (target(profile="olama"), "profile", "m@acme", "Did you mean 'ollama'"),
    ],
)  # fmt: skip
def test_each_lack_is_found_once_and_says_what_to_do(changed: Target, code: str, subject: str, words: str) -> None:
    (one,) = found(changed)
    assert (one.code, one.subject) == (code, subject)
    assert words in one.text
    assert one.fix
    assert one.is_error == (code in {"retired", "dialect", "profile"})
    assert str(one) == f"{code}: {subject}: {one.text} {one.fix}"


@pytest.mark.parametrize(
    "changed",
    [
        target(price=None, served=False),
        target(retires="2026-11-01", served=False),
        target(replace(MODEL, licence=None, scores=(), served=False)),
        target(retires="2026-12-23"),
        target(price=dated(("2026-10-01", "2026-11-01", 1), ("2026-12-23", "2026-11-01", 2))),
        target(price=Price(input=1, output=2)),
        target(replace(MODEL, features=frozenset({"embedding"}), scores=())),
    ],
)
def test_what_nobody_can_call_what_is_far_off_and_what_you_declared_is_no_finding(changed: Target) -> None:
    assert found(changed) == []


def test_rows_are_looked_at_with_every_api_of_theirs() -> None:
    assert [one.code for one in found(row=replace(ROW, as_of="2026-07-02"))] == ["stale"]
    assert [one.code for one in found(row=replace(ROW, urls={}))] == ["no_url"]
    assert found(row=replace(ROW, urls={}, url_template="https://{resource}.acme.example/v1")) == []
    (one,) = found(row=replace(ROW, apis={"openai-responses": Api(profile="opnai")}))
    assert (one.code, one.subject, one.is_error) == ("profile", "acme", True)


def test_an_alias_that_hides_another_model_or_provider_is_named() -> None:
    assert found(target(wire_name="m-large"), aliases={"m-large": "m"}) == [], "the wire name of its own model"
    other = Model("n", licence="MIT", scores=MODEL.scores)
    catalog = Catalog(
        models=[MODEL, other],
        providers=[replace(ROW, aliases=("m",))],
        targets=[target(), replace(target(other), wire_name="fast")],
        aliases={"fast": "m"},
    )
    findings = catalog.findings("2026-11-22")
    assert [(one.code, one.subject) for one in findings] == [("alias", "fast"), ("alias", "m")]
    assert "Stands for m, but acme calls n so." in findings[0].text
    assert "An alias of a provider" in findings[1].text


def test_errors_come_first() -> None:
    catalog = Catalog(
        models=[replace(MODEL, licence=None)],
        providers=[ROW],
        targets=[target(replace(MODEL, licence=None), dialect="x")],
    )
    findings = catalog.findings(TODAY, dialects=DIALECTS)
    assert [(one.code, one.is_error) for one in findings] == [("dialect", True), ("licence", False)]
    assert [one.code for one in catalog.findings(TODAY)] == ["licence"], "names are looked at where they are given"


def test_the_catalog_that_ships_has_no_error_on_the_day_it_was_made() -> None:
    catalog = Catalog.builtin()
    errors = [str(one) for one in catalog.findings(catalog.as_of, dialects=DIALECTS, profiles=PROFILES) if one.is_error]
    assert errors == []


def test_a_day_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="is no day"):
        Catalog().findings("today")
