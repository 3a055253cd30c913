"""A router made with the wrong kind of thing says what to write, and says it when it is made."""

import pytest

from modelroute import AsyncRouter, ConfigurationError, Policy, Provider, Router, Scenario, cheapest


async def notice(event: object) -> None:
    """A coroutine function, which nobody would await."""


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"policy": Policy.default}, r"Policy\.default\(\)"),
        ({"policy": Policy}, r"call it"),
        ({"policy": cheapest}, r"Policy\(default=Scenario\(prefer=cheapest\)\)"),
        ({"policy": "cheapest"}, r"Policy\(default=Scenario\("),
        ({"policy": Scenario(prefer=cheapest)}, r"Policy\(default=scenario\)"),
        ({"policy": 3}, "policy= must be a Policy, not int"),
        ({"catalog": "x.toml"}, r"Catalog\.load\(path\)"),
        ({"retry": 3}, r"Retry\(max_attempts=\.\.\.\)"),
        ({"timeouts": 30}, r"Timeouts\(attempt=\.\.\.\)"),
        ({"on_event": 3}, "on_event= must be callable"),
        ({"on_event": notice}, "not awaited"),
    ],
    ids=range(11),
)  # fmt: skip
def test_a_wrong_kind_of_thing(given: dict[str, object], says: str) -> None:
    for router in (Router, AsyncRouter):
        with pytest.raises(ConfigurationError, match=says):
            router([Provider("deepseek", key="planted")], **given)  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match=says):
            router.from_env(environ={"DEEPSEEK_API_KEY": "planted"}, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("environ", [["a"], "a", 5])
def test_an_environment_is_a_mapping(environ: object) -> None:
    with pytest.raises(ConfigurationError, match="environ= must be a mapping"):
        Router.from_env(environ=environ)  # type: ignore[arg-type]
