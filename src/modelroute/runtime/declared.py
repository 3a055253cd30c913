"""What a router is made with, checked when it is made: a wrong kind of thing would come out in the first request."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from modelroute.catalog.catalog import Catalog
from modelroute.errors import ConfigurationError
from modelroute.policy.objective import Objective
from modelroute.policy.policy import Policy
from modelroute.policy.scenario import Scenario
from modelroute.resilience.backoff import Retry
from modelroute.runtime.sink import listeners_of
from modelroute.types.timeouts import Timeouts

__all__ = ["check_declared", "check_environ"]


def check_declared(*, policy: object, catalog: object, retry: object, timeouts: object, on_event: object) -> None:
    """Raise `ConfigurationError`, saying what to write, for anything that is neither `None` nor of its kind."""
    if policy is not None and not isinstance(policy, Policy):
        raise _wrong("policy", "a Policy", policy, _policy_instead(policy))
    if catalog is not None and not isinstance(catalog, Catalog):
        raise _wrong(
            "catalog", "a Catalog", catalog, "write Catalog.load(path), or leave it out for the one that ships"
        )
    if retry is not None and not isinstance(retry, Retry):
        raise _wrong("retry", "a Retry", retry, "write Retry(max_attempts=...)")
    if timeouts is not None and not isinstance(timeouts, Timeouts):
        raise _wrong(
            "timeouts", "a Timeouts", timeouts, "write Timeouts(attempt=...), or pass deadline= with a call or a view"
        )
    listeners_of(on_event)


def check_environ(environ: object) -> None:
    """Raise `ConfigurationError` for an environment that is no mapping."""
    if environ is not None and not isinstance(environ, Mapping):
        raise _wrong("environ", "a mapping of variables to values", environ, "os.environ is read when it is left out")


def _policy_instead(policy: object) -> str:
    if isinstance(policy, Scenario):
        return "write Policy(default=scenario), or Policy(scenarios=[...])"
    if isinstance(policy, Objective | str):
        return f"write Policy(default=Scenario(prefer={getattr(policy, 'value', '...')}))"
    if isinstance(policy, type) or inspect.ismethod(policy):
        return "call it: Policy(...) and Policy.default() make one"
    return "write Policy(default=Scenario(prefer=...)), or leave it out for Policy.default()"


def _wrong(name: str, wanted: str, got: object, instead: str) -> ConfigurationError:
    return ConfigurationError(f"{name}= must be {wanted}, not {type(got).__name__}: {instead}")
