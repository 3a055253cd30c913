"""A lint of the catalog that ships: each fact has its source, each name resolves, prices say what their sources say."""

import re
import tomllib
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog import EFFORTS, FEATURES, INTELLIGENCE, Catalog, Price, Target, best_score

DATA = Path(__file__).parents[2] / "src" / "modelroute" / "catalog" / "data"
CATALOG = Catalog.builtin()
SERVED = [target for target in CATALOG.targets.values() if target.served]
DATED = re.compile(r"\d{4}-\d{2}(-\d{2})?")
NOW = datetime.fromisoformat("2026-11-21T12:00:00+00:00").timestamp()


def utc(text: str) -> float:
    return datetime.fromisoformat(f"{text}+00:00").timestamp()


def price_of(name: str) -> Price:
    price = CATALOG.target(name).price
    assert price is not None
    return price


def rates_of(name: str, when: str, tokens: int = 1000) -> tuple[float, float]:
    rates = price_of(name).at(utc(when), tokens)
    assert rates is not None
    return rates.input / 1e6, rates.output / 1e6


def facts() -> Iterator[tuple[str, str, str]]:
    for name, row in CATALOG.providers.items():
        yield f"provider {name}", row.source, row.as_of
    for name, model in CATALOG.models.items():
        yield f"model {name}", model.source, model.as_of
        for score in model.scores:
            yield f"score {name} {score.scale} {score.effort}", score.source, score.as_of
    for name, target in CATALOG.targets.items():
        yield f"target {name}", target.source, target.as_of
        for priced in target.price.rows if target.price is not None else ():
            yield f"price {name} {priced.since}", priced.source, priced.as_of
    for name, book in CATALOG.books.items():
        yield f"book {name}", book.source, book.as_of


def test_every_fact_has_a_source_and_a_date() -> None:
    found = list(facts())
    assert [fact for fact, source, as_of in found if not source.strip() or not DATED.fullmatch(as_of)] == []
    assert len(found) > 300
    assert max(as_of for _, _, as_of in found) == CATALOG.as_of


@pytest.mark.parametrize("target", SERVED, ids=lambda target: target.name)
def test_a_served_target_can_be_chosen_on_what_is_known_of_it(target: Target) -> None:
    row = CATALOG.provider(target.provider)
    assert target.model.served, "what no one can call has no served target"
    assert row.urls
    assert all(url.startswith(("https://", "http://localhost", "http://127.")) for url in row.urls.values())
    assert target.features <= target.model.features | {"json_schema"}, "a host may add a grammar, not a sense"
    if target.price is None:
        assert "No price was found" in target.note, "an unknown price is left out and said to be unknown, never zero"
        return
    assert target.price.at(NOW, 1000) is not None
    assert not target.price.is_free or "Free of charge" in target.note, "a price of nothing is said, never presumed"
    assert all(row.since > utc("2024-01-01") for row in target.price.rows), "no row claims to hold for ever"


def test_what_no_one_can_call_is_known_and_has_no_served_target() -> None:
    unserved = {name for name, model in CATALOG.models.items() if not model.served}
    assert {"mythos", "gpt-5.6-preview", "deepseek-v3", "deepseek-v4", "gemini-3-pro-preview"} == unserved
    assert not [target.name for target in SERVED if target.model.name in unserved]
    assert {"gpt-5.6-sol@openai", "gpt-5.6-terra@openai", "gpt-5.6-luna@openai"} <= {t.name for t in SERVED}


def test_every_other_model_is_served_somewhere() -> None:
    served = {target.model.name for target in SERVED}
    assert {name for name, model in CATALOG.models.items() if model.served} == served


def test_both_articles_models_are_there() -> None:
    first = ["gpt-5.5", "gemini-3-pro-preview", "claude-opus-4-7", "kimi-k2.6", "mimo-v2.5-pro", "deepseek-v4-pro"]
    first += ["glm-5.1", "minimax-m2.7", "gpt-5.0", "deepseek-v3", "gpt-5.2", "deepseek-v4", "deepseek-v4-flash"]
    second = ["llama-4-maverick", "llama-4-scout", "qwen3.7-max", "deepseek-v3.2", "mythos", "gpt-5.6-preview"]
    for name in first + second:
        assert CATALOG.model(name).source


def test_the_article_s_index_is_quoted_exactly() -> None:
    quoted = {
        name: score.value
        for name, model in CATALOG.models.items()
        if (score := best_score(model, INTELLIGENCE, estimated=False)) is not None
    }
    assert quoted == {
        "gpt-5.5": 60,
        "gemini-3-pro-preview": 57,
        "claude-opus-4-7": 57,
        "gpt-5.2": 55,
        "kimi-k2.6": 54,
        "mimo-v2.5-pro": 54,
        "deepseek-v4-pro": 52,
        "gpt-5": 50,
        "glm-5.1": 50,
        "minimax-m2.7": 49,
        "deepseek-v4": 45,
        "deepseek-v3": 38,
    }


def test_models_say_what_they_can_do_in_known_words() -> None:
    for model in CATALOG.models.values():
        assert model.name == model.name.lower()
        assert model.features <= FEATURES
        assert ("open_weights" in model.features) == (model.open_weights is True)
        assert set(model.efforts) <= set(EFFORTS)
        assert not model.default_effort or model.default_effort in model.efforts
        assert not model.efforts or "reasoning" in model.features or not model.served
        assert model.vocabulary in {"", "o200k_base", "deepseek", "llama4"}, "only vocabularies that were verified"
        if model.open_weights is None:
            assert model.licence is None
            assert "kimi-k3.1-pro" in model.name or "weights are open" in model.note, "unknown, and said to be"
        assert model.open_weights is not False or model.licence == "proprietary"
        assert not model.licence_checked, "licences are from general knowledge until somebody reads them"


def test_dates_are_dates() -> None:
    retires = [model.retires for model in CATALOG.models.values()] + [t.retires for t in CATALOG.targets.values()]
    assert [day for day in retires if day is not None and date.fromisoformat(day).isoformat() != day] == []
    assert CATALOG.target("kimi-k2.6@moonshot").retires == "2026-12-31"


def test_aliases_lead_to_models() -> None:
    assert CATALOG.aliases
    for alias, name in CATALOG.aliases.items():
        assert CATALOG.model(alias).name == name


def test_every_arena_id_is_in_the_extract_and_names_one_model_and_effort() -> None:
    """The extract itself is compared number by number in test_crosswalk.py."""
    rows = tomllib.loads((DATA / "arena.toml").read_text("utf-8"))["ratings"]
    extract = (Path(__file__).parent / "arena_extract.json").read_text("utf-8")
    assert [row["id"] for row in rows if f'"{row["id"]}"' not in extract] == []
    assert len({row["id"] for row in rows}) == len({(row["model"], row.get("effort")) for row in rows}) == len(rows)
    for row in rows:
        assert row.get("effort", "") == effort_said(row["id"]), row["id"]


RAISED = re.compile(r"-(low|medium|high|xhigh|max)(-\d{8})?$")
SWITCHED = {
    "gemini-3-flash (thinking-minimal)": "minimal",
    "kimi-k2.5-instant": "none",  # it thinks unless told not to
    "kimi-k2.5-thinking": "",
    "mimo-v2-flash (non-thinking)": "",  # it does not unless told to
    "mimo-v2-flash (thinking)": "high",
    "qwen3.8-max": "",  # a size, not an effort
}
"""Ids that say how the model was asked to think in words of their own, decided by hand."""


def effort_said(listed: str) -> str:
    """The effort an Arena id names; one that says anything else about thinking must be decided by hand."""
    if listed in SWITCHED:
        return SWITCHED[listed]
    assert "think" not in listed
    assert "instant" not in listed
    raised = RAISED.search(listed)
    return raised[1] if raised else ""


def test_arena_is_attributed_where_its_data_are() -> None:
    for path in (DATA / "arena.toml", DATA / "crosswalk.toml", Path(__file__).parent / "arena_extract.json"):
        assert "CC BY 4.0" in path.read_text("utf-8"), path.name
    assert {s.source for m in CATALOG.models.values() for s in m.scores if s.scale.startswith("arena")} == {
        "Arena (arena.ai), dataset leaderboard-dataset, CC BY 4.0"
    }


def test_prices_belong_to_provider_and_model() -> None:
    hosts = {name: rates_of(f"kimi-k2.6@{name}", "2026-11-21T12:00") for name in ("moonshot", "deepinfra", "together")}
    assert hosts == {"moonshot": (0.95, 4.0), "deepinfra": (0.75, 3.5), "together": (1.2, 4.5)}


def test_openai_s_newer_models_say_where_their_tools_are_taken() -> None:
    newer = [t for t in SERVED if t.provider == "openai" and re.match(r"gpt-(5\.6|6)", t.model.name)]
    assert len(newer) >= 10
    for target in newer:
        assert "tools" in target.features, "a request with tools goes to the Responses API by itself"
        assert "Responses" in target.note
    assert "Responses" not in CATALOG.target("gpt-5.5@openai").note
    assert "json_schema" not in CATALOG.target("deepseek-v4-pro@deepseek").features


def test_a_host_s_limits_are_said_where_they_are_its_own() -> None:
    scout = CATALOG.targets
    windows = {name: scout[f"llama-4-scout@{name}"].context_window for name in ("deepinfra", "groq", "bedrock")}
    assert windows == {"deepinfra": 327_680, "groq": 131_072, "bedrock": 3_500_000}
    answers = {name: scout[f"gpt-oss-120b@{name}"].max_output for name in ("groq", "cerebras", "fireworks", "bedrock")}
    assert answers == {"groq": 65_536, "cerebras": 40_960, "fireworks": 32_768, "bedrock": None}


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("claude-opus-5.5", "claude-opus-5-5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("gpt-5.6", "gpt-5.6-sol"),
        ("deepseek-v4-flash", "deepseek-flash"),
        ("gemini-3.1-pro", "gemini-3.1-pro-preview"),
        ("MiniMax-M2.7", "minimax-m2.7"),
        ("mistral-medium-3.5", "mistral-medium-2604"),
        ("grok-4.20", "grok-4.20-0309-reasoning"),
        ("llama-3.3-70b-instruct", "llama-3.3-70b"),
    ],
)
def test_the_names_people_use_lead_to_the_model(asked: str, name: str) -> None:
    assert CATALOG.model(asked).name == name


def test_local_servers_need_no_key_and_are_self_hosted() -> None:
    for name in ("ollama", "vllm", "llamacpp", "lmstudio", "sglang"):
        row = CATALOG.provider(name)
        assert not row.needs_key
        assert set(row.jurisdictions.values()) == {"self-hosted"}
        assert not [target for target in CATALOG.targets.values() if target.provider == name]


def test_provider_rows_name_dialect_profile_and_jurisdiction() -> None:
    rows = CATALOG.providers
    assert rows["anthropic"].dialect == "anthropic-messages"
    assert rows["google"].dialect == "gemini"
    assert {row.dialect for name, row in rows.items() if name not in {"anthropic", "google"}} == {"openai-chat"}
    own = {name: row.profile for name, row in rows.items() if row.profile != "compatible"}
    assert own == {name: name for name in own}, "a profile of its own has the name of its provider"
    assert own.keys() >= {"openai", "anthropic", "deepseek", "moonshot", "vllm", "ollama"}
    assert dict(rows["moonshot"].urls) == {"intl": "https://api.moonshot.ai/v1", "cn": "https://api.moonshot.cn/v1"}
    assert (rows["openai"].jurisdictions["us"], rows["deepseek"].jurisdictions["cn"]) == ("US", "CN")
    assert "intl" not in rows["moonshot"].jurisdictions, "unknown is left out"


PEAK = {"deepseek-v4-pro@deepseek": ((0.66, 1.98), (1.32, 3.96)), "deepseek-flash@deepseek": ((0.15, 0.6), (0.3, 1.2))}


@pytest.mark.parametrize("name", PEAK)
class TestDeepSeekPeak:
    @pytest.mark.parametrize(
        ("clock", "is_peak"),
        [
            ("00:59:59.999", False),
            ("01:00", True),
            ("03:59:59.999", True),
            ("04:00", False),
            ("05:59:59.999", False),
            ("06:00", True),
            ("09:59:59.999", True),
            ("10:00", False),
        ],
    )
    def test_weekday_peaks_are_double_to_the_second(self, name: str, clock: str, is_peak: bool) -> None:
        assert rates_of(name, f"2026-11-20T{clock}") == PEAK[name][is_peak], "a Friday"

    @pytest.mark.parametrize("day", ["2026-11-21", "2026-11-22", "2026-08-23"])
    def test_weekends_are_off_peak_all_day(self, name: str, day: str) -> None:
        """Saturday 02:15 is where a price list without weekdays is wrong by half."""
        for clock in ("01:00", "02:15", "06:00", "09:59"):
            assert rates_of(name, f"{day}T{clock}") == PEAK[name][0]

    def test_a_request_that_may_run_into_the_peak_is_bounded_at_the_peak(self, name: str) -> None:
        price = price_of(name)
        start = utc("2026-11-20T00:55")
        cheap, dear = price.dearest(start, 299, 1000), price.dearest(start, 600, 1000)
        assert cheap is not None
        assert dear is not None
        assert (cheap.input / 1e6, cheap.output / 1e6) == PEAK[name][0]
        assert (dear.input / 1e6, dear.output / 1e6) == PEAK[name][1]
        friday_evening = price.dearest(utc("2026-11-20T10:00"), 2 * 86_400, 1000)
        assert friday_evening == price.at(utc("2026-11-21T12:00"), 1000), "nothing dear until Monday"

    def test_a_holiday_nobody_listed_counts_as_peak(self, name: str) -> None:
        assert rates_of(name, "2026-10-01T02:00") == PEAK[name][1]

    def test_the_rows_change_at_their_instants(self, name: str) -> None:
        flat = {"deepseek-v4-pro@deepseek": (0.435, 0.87), "deepseek-flash@deepseek": (0.14, 0.28)}[name]
        assert price_of(name).at(utc("2026-07-01T23:59:59"), 1) is None
        assert rates_of(name, "2026-07-02T00:00") == flat
        assert rates_of(name, "2026-08-14T02:00") == flat, "a Friday before there were peaks"
        assert rates_of(name, "2026-08-16T15:59:59") == flat
        assert rates_of(name, "2026-08-16T16:00:00") == PEAK[name][0]
        assert rates_of(name, "2026-08-22T02:00") == PEAK[name][1], "the one Saturday with peaks"
        assert rates_of(name, "2026-08-29T02:00") == PEAK[name][0]


@pytest.mark.parametrize(
    ("name", "above", "factor"),
    [
        ("gpt-5.5@openai", 272_000, (2, 1.5)),
        ("gpt-6.1-sol@openai", 272_000, (2, 1.5)),
        ("gemini-3.1-pro-preview@google", 200_000, (2, 1.5)),
        ("claude-haiku-5-5@anthropic", 100_000, (5, 5)),
        ("minimax-m3@minimax", 512_000, (2, 2)),
    ],
)
def test_a_long_prompt_makes_the_whole_request_dearer(name: str, above: int, factor: tuple[float, float]) -> None:
    short, long = (rates_of(name, "2026-11-20T12:00", tokens) for tokens in (above, above + 1))
    assert (long[0] / short[0], long[1] / short[1]) == pytest.approx(factor)


def test_known_price_changes_take_effect_on_their_day() -> None:
    assert rates_of("gpt-5.6-luna@openai", "2026-07-29T12:00") == (1, 6)
    assert rates_of("gpt-5.6-luna@openai", "2026-07-30T12:00") == (0.2, 1.2)
    assert rates_of("gemini-3.8-flash@google", "2026-12-31T23:59:59") == (0.75, 3.75)
    assert rates_of("gemini-3.8-flash@google", "2027-01-01T00:00") == (1.5, 7.5)


@given(st.sampled_from(SERVED), st.floats(0, 40 * 86_400), st.floats(0, 86_400), st.floats(0, 1), st.integers(0, 10**6))
def test_every_shipped_price_is_bounded_by_its_dearest(
    target: Target, after: float, seconds: float, share: float, tokens: int
) -> None:
    if target.price is None:
        return
    start = NOW + after
    dearest = target.price.dearest(start, seconds, tokens)
    rates = target.price.at(min(start + seconds, start + share * seconds), tokens)
    assert dearest is not None
    assert rates is not None
    assert rates.input <= dearest.input
    assert rates.output <= dearest.output
    assert rates.dearest_input <= dearest.dearest_input
