"""Replies of every shape, with every field set to whatever its type allows."""

from hypothesis import strategies as st

from modelroute.money import Money
from modelroute.types.attempt import Attempt
from modelroute.types.decision import ConstraintPrice, Decision, Ranked, Reason, Rejected, ScoreQuote
from modelroute.types.failure import Failure, Kind, Seen
from modelroute.types.logprobs import TokenLogprob, TopLogprob
from modelroute.types.reply import Reply, ToolCall
from modelroute.types.usage import Usage

text = st.text(max_size=8)
some_text = st.none() | text
count = st.integers(0, 10**12)
some_count = st.none() | count
seconds = st.floats(0, 1e10) | st.integers(0, 100)
money = st.integers(-(10**30), 10**30).map(Money.from_pico)
some_money = st.none() | money

scores = st.builds(
    ScoreQuote, st.floats(-1e9, 1e9), text, st.booleans(), st.none() | st.floats(0, 100), basis=text, as_of=text
)
ranked = st.builds(
    Ranked, text, text, text, text, estimate=some_money, bound=some_money, output_cap=some_count, capped_by=some_text,
    held_for_fallback=some_money, input_tokens=count, input_bound=count, output_tokens=count,
    context_window=some_count, score=st.none() | scores, resting_until=st.none() | seconds,
)  # fmt: skip
rejected = st.builds(Rejected, text, st.lists(st.builds(Reason, text, text), max_size=2).map(tuple))
prices = st.builds(ConstraintPrice, text, text, text, some_money, st.none() | st.floats(0, 1))
decisions = st.builds(
    Decision,
    ranked=st.lists(ranked, max_size=2), reject=st.lists(rejected, max_size=2).map(tuple), scenario=text,
    rules=st.lists(text, max_size=2).map(tuple), max_cost=some_money, objective=text, constraints=text, task=some_text,
    selector=text, policy=text, catalog=text, snapshot=text, now=seconds, kept=some_text,
    prices=st.lists(prices, max_size=1).map(tuple),
)  # fmt: skip
usages = st.builds(Usage, count, count, count, count, count, provider_cost=some_money, hour_write_tokens=count)
failures = st.builds(
    Failure, st.sampled_from(Kind), text, some_text, some_count, st.none() | seconds, st.none() | st.sampled_from(Seen),
    feature=some_text, again=st.none() | st.booleans(), refusal=some_text,
)  # fmt: skip
attempts = st.builds(
    Attempt, st.integers(1, 9), text, text, st.none() | failures, money, money, text, st.none() | usages, seconds,
    st.none() | seconds, at=seconds, finish=text, response_id=text, served_model=text, lane=st.integers(0, 9),
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2),
    max_leaves=5,
)
others = st.builds(TopLogprob, text, st.floats(-1e4, 0), st.none() | st.binary(max_size=4))
tokens = st.builds(
    TokenLogprob, text, st.floats(-1e4, 0), st.none() | st.binary(max_size=4), st.lists(others, max_size=2).map(tuple)
)
replies = st.builds(
    Reply,
    text=text, message=st.dictionaries(text, json_values, max_size=2), finish=text, target=text, model=text,
    cost=money, cost_basis=text, attempts=st.lists(attempts, max_size=2).map(tuple), decision=decisions,
    usage=st.none() | usages, reasoning=text, refusal=some_text,
    tool_calls=st.lists(st.builds(ToolCall, text, text, text), max_size=2).map(tuple), capped_by=some_text,
    left_out=st.lists(text, max_size=2).map(tuple), degraded=st.booleans(),
    logprobs=st.none() | st.lists(tokens, max_size=2).map(tuple), raw=st.binary(max_size=8), id=text,
    served_model=text, conversation=text, replayed=st.booleans(),
)  # fmt: skip


def a_reply(words: str = "an answer") -> Reply:
    """Return a reply as one attempt gives it."""
    cost = Money("0.0011")
    attempt = Attempt(1, "m@p", "first", None, Money("0.002"), cost, "declared by you", Usage(10, 20), 0.5, 0.1)
    return Reply(
        text=words, message={"role": "assistant", "content": words}, finish="stop", target="m@p", model="m", cost=cost,
        cost_basis="declared by you", attempts=(attempt,), usage=Usage(10, 20),
        decision=Decision(ranked=[Ranked("m@p", "m", "p", "v")], reject=(), scenario="default"),
    )  # fmt: skip
