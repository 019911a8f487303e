"""Profiles: in each kind of stream that there is, every element and every answer has one feature that it belongs to."""

from __future__ import annotations

import pytest

from gateway.stream.facts import Role
from gateway.stream.profiles import Profile, client_profile, component_profile, server_profile
from gateway.xmpp.namespaces import CLIENT, COMPONENT_ACCEPT, SERVER
from tests.fuzz.fuzz_stream import KINDS
from tests.support.talk import server_features

PROFILES = [*(kind.profile for kind in KINDS), *map(server_features, Role)]


@pytest.mark.parametrize("profile", PROFILES)
def test_no_two_features_want_the_same(profile: Profile) -> None:
    for wanted in ("handles", "answers"):
        each = [one for feature in profile.features for one in getattr(feature, wanted)]
        assert len(each) == len(set(each))
    assert set(profile.receivers.values()) <= set(profile.features)
    assert len({feature.name for feature in profile.features}) == len(profile.features)


def test_each_kind_has_its_content() -> None:
    assert server_profile().content_namespace == SERVER
    assert client_profile().content_namespace == CLIENT
    component = component_profile()
    assert component.content_namespace == COMPONENT_ACCEPT
    assert component.content_aliases == {CLIENT}
    assert [profile.negotiates for profile in (server_profile(), client_profile(), component)] == [True, True, False]
