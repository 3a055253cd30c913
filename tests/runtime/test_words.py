"""A word that would silently hold nothing is refused with what to write; a provider's own parameters pass."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.errors import RequestError
from modelroute.runtime.words import ELSEWHERE, OPENAI, OURS, THEIRS, refuse_misspelled


def said_of(name: str) -> str:
    with pytest.raises(RequestError) as caught:
        refuse_misspelled([name])
    return str(caught.value)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("max_cots", "max_cost"), ("max_costs", "max_cost"), ("maxCost", "max_cost"), ("dead_line", "deadline"),
        ("tag", "tags"), ("taks", "task"), ("tsak", "task"), ("temprature", "temperature"), ("topp", "top_p"),
        ("sede", "seed"), ("stpo", "stop"), ("max-tokens", "max_tokens"), ("flor", "floor"), ("responseFormat",
        "response_format"),
    ],
)  # fmt: skip
def test_what_is_nearly_a_known_word_is_refused(typed: str, meant: str) -> None:
    assert f"Did you mean '{meant}'?" in said_of(typed)


@pytest.mark.parametrize(
    ("typed", "instead"),
    [
        ("ceiling", "max_cost="), ("budget", "max_cost="), ("cost", "max_cost="), ("max_price", "max_cost="),
        ("price_limit", "max_cost="), ("usd_cap", "max_cost="), ("max_dollars", "max_cost="), ("objective", "prefer="),
        ("strategy", "prefer="), ("system", "role 'system'"), ("prompt", "first argument"), ("input", "first argument"),
        ("max_retries", "max_attempts="), ("num_retries", "max_attempts="), ("timeout", "deadline="),
        ("timeout", "timeouts="), ("fallbacks", "the next one is the fallback"), ("region", "Provider(name, region="),
        ("policy", "Router(providers, policy="), ("api_key", "Provider(name, key="),
        ("base_url", "Provider.compatible"),
        ("stream", "router.stream"), ("max_output_tokens", "max_tokens="), ("Timeout", "deadline="),
        ("fallbackz", "the next one is the fallback"),
    ],
)  # fmt: skip
def test_what_others_call_it_is_refused_with_our_word(typed: str, instead: str) -> None:
    assert instead in said_of(typed)


def test_a_providers_own_parameters_pass() -> None:
    """Names that servers are known to take, and any name that is near nothing."""
    refuse_misspelled(
        [
            *THEIRS, "repetition_penalty", "guided_json", "guided_regex", "top_k", "typical_p", "mirostat", "num_ctx",
            "chat_template_kwargs", "safe_prompt", "random_seed", "best_of", "ignore_eos", "stop_token_ids", "min_p",
            "documents", "plugins", "transforms", "search_parameters", "enable_search", "do_sample", "stop_sequences",
            "grammar", "skip_special_tokens", "structured_outputs", "response_schema", "x" * 5000, "",
        ]
    )  # fmt: skip


@given(st.sampled_from(sorted(OURS | OPENAI)), st.data())
def test_two_letters_swapped_never_pass(word: str, data: st.DataObject) -> None:
    """Unless what comes out is a word itself. Of three letters and fewer there is no telling."""
    place = data.draw(st.integers(0, max(0, len(word) - 2)))
    typed = word[:place] + word[place + 1 : place + 2] + word[place : place + 1] + word[place + 2 :]
    if typed not in OURS | THEIRS and len(word) > 3:
        said_of(typed)


def test_the_three_lists_do_not_contradict_each_other() -> None:
    assert not OURS & THEIRS
    assert not ELSEWHERE.keys() & (OURS | THEIRS)
    assert OPENAI < THEIRS


def test_an_option_of_the_call_is_not_called_a_misspelling_of_itself() -> None:
    refuse_misspelled(OURS)
