"""What a caller gets wrong, through the public API: the right class, a message that says what to do, nothing sent."""

# ruff: noqa: ANN401
# Options are handed through to calls that check them.

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from modelroute import (
    AsyncRouter,
    Catalog,
    ConfigurationError,
    HttpOptions,
    Key,
    Model,
    Money,
    NoEligibleTargetError,
    NoProviderError,
    Policy,
    Price,
    Provider,
    RequestError,
    Retry,
    Router,
    RouterClosedError,
    Rule,
    Scenario,
    Timeouts,
    UnknownNameError,
    best_value,
    cheapest,
    strongest,
)
from modelroute.testing.server import FaultServer
from tests.e2e.places import KEY, POLICY, PROMPT, Place, place, routing


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as serving:
        yield serving


@pytest.fixture
def here(server: FaultServer) -> Iterator[Place]:
    """A provider that would answer. No test here may reach it."""
    one = place(server, ["ok"])
    yield one
    assert not one.seen, "something was sent"


def every_method(router: Router, messages: Any, options: dict[str, Any]) -> list[Callable[[], object]]:
    return [
        lambda: router.chat(messages, **options),
        lambda: router.stream(messages, **options),
        lambda: router.explain(messages, **options),
        lambda: router.parse(messages, dict, **options),
    ]


def asked(one: Place, messages: Any, options: dict[str, Any], expected: type[Exception], words: str) -> None:
    """Chat, stream, explain and parse, of both routers, say the same."""
    with Router(**routing(one)) as router:
        for method in every_method(router, messages, options):
            with pytest.raises(expected, match=words):
                method()

    async def asynchronously() -> None:
        async with AsyncRouter(**routing(one)) as router:
            with pytest.raises(expected, match=words):
                await router.chat(messages, **options)
            with pytest.raises(expected, match=words):
                router.stream(messages, **options)
            with pytest.raises(expected, match=words):
                router.explain(messages, **options)

    asyncio.run(asynchronously())


# ------------------------------------------------------------------------------------------------------ a call's words

OPTIONS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"max_cosst": 1}, RequestError, "unknown parameter 'max_cosst'. Did you mean 'max_cost'"),
    ({"dedline": 1}, RequestError, "Did you mean 'deadline'"),
    ({"flor": 50}, RequestError, "Did you mean 'floor'"),
    ({"jurisdiction": {"EU"}}, RequestError, "Did you mean 'jurisdictions'"),
    ({"max_attempt": 1}, RequestError, "Did you mean 'max_attempts'"),
    ({"tag": "x"}, RequestError, "Did you mean 'tags'"),
    ({"stream": True}, RequestError, r"call router\.stream"),
    ({"stream": False}, RequestError, r"call router\.stream"),
    ({"n": 2}, RequestError, "n= can only be 1, not 2"),
    ({"n": 0}, RequestError, "n= can only be 1, not 0"),
    ({"extra_body": {"n": 3}}, RequestError, "n= can only be 1, not 3"),
    ({"extra_body": {"stream": True}}, RequestError, "stream"),
    ({"max_cost": -1}, RequestError, "max_cost.*negative|negative.*max_cost|not be negative|at least 0"),
    ({"max_cost": "-0.01"}, RequestError, "negative|at least 0"),
    ({"max_cost": float("nan")}, RequestError, "max_cost|amount"),
    ({"max_cost": float("inf")}, RequestError, "max_cost|amount"),
    ({"max_cost": "cheap"}, RequestError, "cheap"),
    ({"max_cost": True}, RequestError, "max_cost|amount|True"),
    ({"deadline": 0}, RequestError, "deadline= must be a positive number of seconds, not 0"),
    ({"deadline": -1}, RequestError, "deadline="),
    ({"deadline": "soon"}, RequestError, "deadline="),
    ({"deadline": float("nan")}, RequestError, "deadline="),
    ({"deadline": float("inf")}, RequestError, "deadline="),
    ({"deadline": True}, RequestError, "deadline="),
    ({"timeouts": 5}, RequestError, r"timeouts= must be Timeouts"),
    ({"retry": 5}, RequestError, r"retry= must be Retry"),
    ({"max_attempts": 0}, RequestError, "max_attempts= must be a whole number"),
    ({"max_attempts": 2.5}, RequestError, "max_attempts="),
    ({"on_interrupt": "resume"}, RequestError, "on_interrupt= must be one of"),
    ({"conversation": ""}, RequestError, "conversation="),
    ({"conversation": 7}, RequestError, "conversation="),
    ({"task": ""}, RequestError, "task="),
    ({"task": 5}, RequestError, "task="),
    ({"task": "codign"}, Exception, "codign"),
    ({"model": ""}, RequestError, "model="),
    ({"model": "smal"}, UnknownNameError, "unknown .*'smal'. Did you mean"),
    ({"model": "small@frist"}, UnknownNameError, "'small@frist'. Did you mean 'small@first'"),
    ({"needs": {"visions"}}, Exception, "visions.*Did you mean 'vision'"),
    ({"needs": 5}, RequestError, "needs="),
    ({"tags": 5}, RequestError, "tags= takes a name"),
    ({"tags": [""]}, RequestError, "tags="),
    ({"without": [["x"]]}, RequestError, "without"),
    ({"floor": {"no_such_scale": 5}}, Exception, "no_such_scale"),
    ({"floor": "high"}, RequestError, "floor|number"),
    ({"prefer": "cheep"}, Exception, "cheep"),
    ({"prefer": 7}, Exception, "prefer|7"),
    ({"tools": "search"}, RequestError, "tools= must be a list of tools"),
    ({"tools": {"type": "function"}}, RequestError, "tools="),
    ({"tools": [5]}, RequestError, r"tools\[0\]"),
    ({"tools": [{"function": {"name": "x"}}]}, RequestError, r"tools\[0\]"),
    ({"tools": [{"type": "function"}]}, RequestError, r"tools\[0\]"),
    ({"tools": [{"type": "function", "function": {}}]}, RequestError, r"tools\[0\].*name"),
    ({"tool_choice": 5}, RequestError, "tool_choice="),
    ({"max_tokens": 0}, RequestError, "max_tokens= must be a whole number"),
    ({"max_tokens": "9"}, RequestError, "max_tokens="),
    ({"effort": 3}, RequestError, "effort="),
    ({"response_format": {"type": "json_schema"}}, RequestError, "json_schema|not for parse"),
    ({"extra_body": 5}, RequestError, "extra_body="),
    ({"extra_body": {"max_tokens": 5}}, RequestError, "pass max_tokens= itself"),
    ({"extra_body": {"model": "x"}}, RequestError, "pass model= itself"),
    ({"extra_body": {"messages": []}}, RequestError, "cannot hold 'messages'"),
]


@pytest.mark.parametrize(
    ("options", "expected", "words"),
    OPTIONS,
    ids=[f"{next(iter(each[0]))}-{place}" for place, each in enumerate(OPTIONS)],
)
def test_an_option_that_cannot_be_meant(
    options: dict[str, Any], expected: type[Exception], words: str, here: Place
) -> None:
    asked(here, PROMPT, options, expected, words)


CIRCULAR: list[Any] = []
CIRCULAR.append(CIRCULAR)

MESSAGES: list[tuple[Any, str]] = [
    ("", "prompt is empty"),
    ([], "messages is empty"),
    (None, "messages"),
    (5, "messages must be a string or a list"),
    (b"bytes", "not bytes"),
    ({"role": "user", "content": "x"}, "wrap it in a list"),
    (["hello"], r"messages\[0\] must be a mapping"),
    ([{"content": "x"}], r"messages\[0\] has .* for a role"),
    ([{"role": "robot", "content": "x"}], "'robot' for a role"),
    ([{"role": "user"}], r"messages\[0\]\['content'\]"),
    ([{"role": "user", "content": None}], r"messages\[0\]\['content'\]"),
    ([{"role": "user", "content": 5}], r"messages\[0\]\['content'\]"),
    ([{"role": "user", "content": b"x"}], "not bytes"),
    ([{"role": "user", "content": [5]}], "part without a 'type'"),
    ([{"role": "user", "content": [{"text": "x"}]}], "part without a 'type'"),
    ([{"role": "user", "content": [{"type": "text", "text": object()}]}], r"messages\[0\]|JSON"),
    ([{"role": "user", "content": [{"type": "text", "text": {"a", "b"}}]}], r"messages\[0\]|JSON"),
    ([{"role": "user", "content": "x", "when": object()}], r"messages\[0\]|JSON"),
    ([{"role": "user", "content": [{"type": "text", "text": "x", "more": CIRCULAR}]}], r"messages\[0\]|JSON"),
    ([{"role": "user", "content": [{"type": "text", "text": float("nan")}]}], r"messages\[0\]|JSON"),
]

UNSENDABLE: list[tuple[dict[str, Any], str]] = [
    ({"metadata": {"when": object()}}, "metadata"),
    ({"metadata": {"x": float("nan")}}, "metadata"),
    ({"metadata": {1: {2, 3}}}, "metadata"),
    ({"metadata": CIRCULAR}, "metadata"),
    (
        {"tools": [{"type": "function", "function": {"name": "x", "parameters": {"a": object()}}}]},
        "function.parameters.a",
    ),
]


@pytest.mark.parametrize(("options", "words"), UNSENDABLE, ids=range(len(UNSENDABLE)))
def test_parameters_that_json_cannot_hold(options: dict[str, Any], words: str, here: Place) -> None:
    with Router(**routing(here)) as router:
        with pytest.raises(RequestError, match=words):
            router.chat(PROMPT, **options)
        with pytest.raises(RequestError, match=words), router.stream(PROMPT, **options) as stream:
            list(stream)
        assert router._core.books.local.reserved == Money(0)


@pytest.mark.parametrize(("messages", "words"), MESSAGES, ids=range(len(MESSAGES)))
def test_messages_that_are_none(messages: Any, words: str, here: Place) -> None:
    """Empty, misshapen, or holding what JSON cannot: `RequestError`, before anything is sent."""
    with Router(**routing(here)) as router:
        with pytest.raises(RequestError, match=words):
            router.chat(messages)
        with pytest.raises(RequestError, match=words):
            list(router.stream(messages))

    async def asynchronously() -> None:
        async with AsyncRouter(**routing(here)) as router:
            with pytest.raises(RequestError, match=words):
                await router.chat(messages)

    asyncio.run(asynchronously())


def test_a_lone_surrogate_is_sent_or_refused_but_never_a_foreign_error(server: FaultServer) -> None:
    one = place(server, ["ok"])
    with Router(**routing(one)) as router, suppress(RequestError):
        assert router.chat("half a smile \ud83d").text == "Hello world"


# ---------------------------------------------------------------------------------------------------- what is declared


def test_a_floor_on_an_unknown_scale() -> None:
    with pytest.raises(ConfigurationError, match=r"arena_codign.*Did you mean 'arena_coding'"):
        Router([Provider("openai", key=KEY)], policy=Policy(default=Scenario(floor={"arena_codign": 1500})))


def test_a_negative_ceiling() -> None:
    with pytest.raises(ConfigurationError, match="max_cost"):
        Scenario("x", max_cost=-1)
    with pytest.raises(ConfigurationError, match="max_cost"):
        Rule(max_cost="-0.5")


def test_best_value_without_a_floor() -> None:
    with pytest.raises(ConfigurationError, match="floor"):
        Router([Provider("openai", key=KEY)], policy=Policy(default=Scenario(prefer=best_value)))


def test_best_value_of_a_call_without_a_floor(here: Place) -> None:
    asked(here, PROMPT, {"prefer": best_value}, Exception, "floor")


def test_a_ceiling_with_no_priced_target(server: FaultServer) -> None:
    one = place(server, ["ok"], price=None)
    with Router(**routing(one)) as router:
        for method in every_method(router, PROMPT, {"max_cost": 1})[:2]:
            with pytest.raises(NoEligibleTargetError, match="price"):
                method()
    assert not one.seen


def test_no_provider_with_a_key_lists_the_variables() -> None:
    with pytest.raises(NoProviderError, match="OPENAI_API_KEY") as caught:
        Router.from_env(environ={})
    assert {"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "DEEPSEEK_API_KEY", "MOONSHOT_API_KEY"} <= set(
        caught.value.variables
    )
    for variable in caught.value.variables:
        assert variable in str(caught.value)
    with pytest.raises(NoProviderError):
        AsyncRouter.from_env(environ={"OPENAI_API_KEY": "  "})


def test_a_variable_with_a_key_that_no_header_carries_is_named_and_not_echoed() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Key("sk-planted-value\x07more")
    assert "planted" not in str(caught.value)
    assert "control character" in str(caught.value)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: Router([Provider("opnai", key=KEY)]), "'opnai'.*Did you mean 'openai'"),
        (lambda: Router([Provider("openai", key=KEY, models=["gpt-5.55"])]), "gpt-5.55.*Did you mean"),
        (lambda: Router([Provider("moonshot", key=KEY, region="mars")]), "mars"),
        (lambda: Router([]), "no provider"),
        (lambda: Router("openai"), "list of providers"),  # type: ignore[arg-type]
        (lambda: Router(["openai"]), r"Provider\('openai'\)"),  # type: ignore[list-item]
        (lambda: Router([Provider("openai", key=KEY), Provider("openai", key=KEY + "x")]), "declared twice"),
        (lambda: Router([Provider("openai", key=KEY, http=5)]), "HttpOptions"),
        (lambda: Router([Provider("openai", key=KEY)], policy=5), "[Pp]olicy"),  # type: ignore[arg-type]
        (lambda: Router([Provider("openai", key=KEY)], retry=5), "[Rr]etry"),  # type: ignore[arg-type]
        (lambda: Router([Provider("openai", key=KEY)], timeouts=5), "[Tt]imeouts"),  # type: ignore[arg-type]
        (lambda: Router([Provider("openai", key=KEY)], on_event=5), "on_event"),  # type: ignore[arg-type]
        (lambda: Router([Provider("openai", key=KEY)], catalog=5), "[Cc]atalog"),  # type: ignore[arg-type]
        (lambda: Provider("a@b"), "'@'"),
        (lambda: Provider.compatible("not a url", name="x", models=["m"]), "URL|url|http"),
        (lambda: Provider.compatible("ftp://h/v1", name="x", models=["m"]), "http"),
        (lambda: Provider.compatible("http://h/v1", name="x", models=[]), "models"),
        (lambda: Provider.compatible("https://h/v1", name="x", models=["m"], dialect="openai"), "openai-chat"),
        (lambda: Provider.compatible("https://h/v1", name="x", models=["m"], profile="vlm"), "vllm"),
        (lambda: Provider.compatible("http://example.com/v1", name="x", models=["m"], key=KEY), "plain http"),
        (lambda: Provider("openai", key=""), "empty"),
        (lambda: Provider("openai", key=[]), "empty list"),
        (lambda: Price(input=-1, output=1), "negative"),
        (lambda: Timeouts(first_token=0), "first_token"),
        (lambda: Retry(max_attempts=0), "max_attempts"),
        (lambda: HttpOptions(proxy="socks5://h:1"), "proxy"),
        (lambda: HttpOptions(client=object()), "client"),
        (lambda: Policy(scenarios=[Scenario("a"), Scenario("a")]), "'a'"),
        (lambda: Policy(scenarios=["a"]), "Scenario"),  # type: ignore[list-item]
        (lambda: Router([Provider("openai", key=KEY)], policy=Policy(rules=[Rule(needs={"visoin"})])), "visoin"),
        (lambda: Router([Provider("openai", key=KEY)], policy=Policy(rules=[Rule(providers={"opnai"})])), "opnai"),
        (lambda: Router([Provider("openai", key=KEY)], policy=Policy(default=Scenario(prefer="chepest"))), "chepest"),
    ],
)  # fmt: skip
def test_a_declaration_that_cannot_be_meant(made: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        made()


def test_an_undeclared_task_names_the_declared_ones(server: FaultServer) -> None:
    one = place(server, ["ok"])
    policy = Policy(scenarios=[Scenario("code", task="coding", prefer=strongest)], default=Scenario(prefer=cheapest))
    with Router(**routing(one, policy=policy)) as router:
        with pytest.raises(RequestError, match=r"'codign'.*Did you mean 'coding'"):
            router.chat(PROMPT, task="codign")
        assert router.chat(PROMPT, task="coding").text


def test_a_view_refuses_what_a_call_refuses(here: Place) -> None:
    with Router(**routing(here)) as router:
        with pytest.raises(RequestError, match="Did you mean 'max_cost'"):
            router.with_options(max_cosst=1)  # type: ignore[call-arg]
        with pytest.raises(RequestError, match="temperature"):
            router.with_options(temperature=1)  # type: ignore[call-arg]
        with pytest.raises(RequestError, match="deadline="):
            router.with_options(deadline=-1)


def test_a_closed_router_says_so(here: Place) -> None:
    router = Router(**routing(here))
    router.close()
    for method in every_method(router, PROMPT, {}):
        with pytest.raises(RouterClosedError, match="closed"):
            method()


@pytest.mark.parametrize("wanted", [5, "City", object()], ids=["number", "text", "object"])
def test_parse_takes_a_type(wanted: Any, here: Place) -> None:
    with Router(**routing(here)) as router, pytest.raises(RequestError):
        router.parse(PROMPT, wanted)


def test_a_model_of_ones_own_without_a_name() -> None:
    with pytest.raises(ConfigurationError, match="model"):
        Router(
            [Provider.compatible("http://127.0.0.1:9/v1", name="x", models=[Model("")])],
            policy=POLICY,
            catalog=Catalog(),
        )
