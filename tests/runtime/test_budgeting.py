from pathlib import Path
from typing import Any

import pytest

from modelroute import Budget, ConfigurationError
from modelroute.testing import Answer, ScriptedRouter

SCRIPT: dict[str, list[Any]] = {"m@p": [Answer("hi")]}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"record_content": True}, "none is kept: add ledger="),
        ({"record_content": "yes", "ledger": "rows.db"}, "must be True or False, not 'yes'"),
        ({"ledger": "redis://user:planted@host/0"}, "takes the path of a file; a server is store="),
    ],
)
def test_content_and_ledger_that_would_go_nowhere_are_refused(
    said: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=words) as caught:
        ScriptedRouter(SCRIPT, **said)
    assert "planted" not in str(caught.value)


def test_a_router_and_its_views_show_their_money(tmp_path: Path) -> None:
    with ScriptedRouter(SCRIPT, budgets=[Budget("a", 1), Budget("b", 1)], store=tmp_path / "spend.db") as router:
        said = f"<ScriptedRouter 1 target, policy unnamed, 2 budgets, store sqlite {tmp_path / 'spend.db'}"
        shown = repr(router)
        assert shown == said.replace("unnamed", router.policy.name or "unnamed") + ">"
        assert repr(router.budget(5)) == shown[:-1] + ", view of budget $5.00>"
