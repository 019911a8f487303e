"""The configurations in docs/components.md are accepted, and what they grant is what the page says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from gateway.config import load
from gateway.config.settings import ComponentDomain
from gateway.routing.privileges import Privileges
from gateway.xmpp.addresses import Domain
from tests.interop.peers.site import laid_over
from tests.support.configuration import Folder

PAGE = Path(__file__).parents[2] / "docs" / "components.md"
COMPONENT = {"serve": "component", "secret": "a secret of some length"}
BASE = {
    "domains": {
        "example.com": {"serve": "im"},
        "bridge.example.com": COMPONENT,
        "pubsub.example.com": COMPONENT,
    }
}
PRINTED = [
    tomllib.loads(text) for text in re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
]
HOME = Domain("example.com")


def loaded(tmp_path: Path, *printed: dict[str, Any]) -> Any:
    whole: dict[str, Any] = BASE
    for each in printed:
        whole = laid_over(whole, each)
    return load(Folder(tmp_path).complete(tomli_w.dumps(whole)))


@pytest.mark.parametrize("printed", PRINTED)
def test_each_configuration_is_accepted(tmp_path: Path, printed: dict[str, Any]) -> None:
    loaded(tmp_path, printed)


def test_all_of_them_together_say_what_the_page_says(tmp_path: Path) -> None:
    assert len(PRINTED) == 3
    domains = loaded(tmp_path, *PRINTED).domains
    bridge, pubsub = (domains[Domain(f"{name}.example.com")] for name in ("bridge", "pubsub"))
    assert isinstance(bridge, ComponentDomain)
    assert bridge.privileges == {
        HOME: Privileges(
            roster="both",
            message="outgoing",
            presence="managed_entity",
            iq={"http://jabber.org/protocol/pubsub": "both"},
        )
    }
    assert pubsub.delegations == {HOME: {"http://jabber.org/protocol/pubsub": (), "urn:xmpp:mam:2": ("node",)}}
    assert domains[HOME].items == {"upload.example.net": "Files"}
