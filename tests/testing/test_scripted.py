"""Which providers a script's targets become."""

from __future__ import annotations

from modelroute import Catalog
from modelroute.catalog.load import load_texts
from modelroute.testing import Answer, ScriptedRouter


def test_a_target_whose_host_is_its_user_s_own_can_be_scripted() -> None:
    text = '[defaults]\nsource = "us"\nas_of = "2026-11"\n[targets."gpt-5.5@azure"]\nwire_name = "our-deployment"\n'
    catalog = load_texts({"ours.toml": text}, Catalog.builtin())
    with ScriptedRouter({"gpt-5.5@azure": [Answer("Hello.")]}, catalog=catalog) as router:
        assert router.chat("Hi").target == "gpt-5.5@azure"
