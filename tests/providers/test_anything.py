"""Whatever parameters hold, an encoder writes JSON or raises `RequestError`, and what precedes it raises nothing."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog.model import ProviderRow, Target
from modelroute.errors import RequestError
from modelroute.providers import fit
from modelroute.providers.anthropic_messages import encode as anthropic
from modelroute.providers.facts import counts, needs, unbounded
from modelroute.providers.openai_chat import encode as openai
from modelroute.providers.profiles import PROFILES, profile_for
from modelroute.runtime.calls import Asking
from modelroute.runtime.words import THEIRS
from modelroute.types.request import Request
from tests.providers.requests import CONVERSATIONS, TOOL, target
from tests.providers.samples import Json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**400), 10**400) | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4) | st.sampled_from(["type", "json_schema", "schema"]), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = sorted({*THEIRS, *Asking.__annotations__, "output_config", "stop_sequences", "system", "unheard_of"})
PARAMETERS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)
TOOLS = st.sampled_from([(), (TOOL,), ({"type": "web_search_20250305", "name": "web_search"},)])
WHERE = [
    *((openai, target("m", name)) for name in ("openai", "deepseek", "moonshot", "compatible", "openrouter")),
    (openai, target("gpt-5.5", "openai", efforts=("low",))),
    (anthropic, target("claude-opus-5-5", "anthropic", efforts=("low",))),
    (anthropic, target("claude-haiku-4-5", "anthropic")),
]


@pytest.mark.parametrize(("dialect", "where"), WHERE, ids=lambda value: value.name if isinstance(value, Target) else "")
@given(CONVERSATIONS, PARAMETERS, TOOLS, st.none() | VALUES.filter(lambda value: isinstance(value, str | dict)))
def test_any_parameters_are_encoded_or_refused(  # noqa: PLR0917 - what is drawn, one by one
    dialect: object, where: Target, messages: tuple[Json, ...], parameters: Json, tools: tuple[Json, ...], choice: Json
) -> None:
    assert dialect in (openai, anthropic)
    encode = openai.encode if dialect is openai else anthropic.encode
    profile = profile_for(where, ProviderRow(where.provider, profile=where.provider))
    request = Request(messages=messages, tools=tools, tool_choice=choice, parameters=parameters)
    for reason in (fit.obstacle(request, where, profile), anthropic.obstacle(request)):
        assert reason is None or isinstance(reason, str)
    needs(request)
    unbounded(request)
    with contextlib.suppress(RequestError):
        counts(request, [])
    with contextlib.suppress(RequestError):
        assert isinstance(json.loads(encode(request, where, profile, 5, stream=True)), dict)


def test_every_profile_is_known_here() -> None:
    assert {where.provider for _, where in WHERE} <= PROFILES.keys()
