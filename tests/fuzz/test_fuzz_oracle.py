"""The codec beside expat: a short, seeded run, and faults that are planted to see that a run finds them.

See `tests.fuzz.fuzz_oracle` for what is compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

import pytest

from gateway.stream import budget, codec, framing, scope, stanza_reader
from gateway.stream.scope import Scope
from gateway.xmpp import stanzas, start_tags
from tests.fuzz.fuzz_oracle import one_input

ENOUGH = 3000  # streams, of which some must show any one fault


@pytest.mark.parametrize("seed", range(10))
def test_what_the_codec_hands_on_is_what_expat_says_of_the_whole_stream(seed: int) -> None:
    run(Random(seed), 150)


def run(rng: Random, streams: int) -> None:
    for _ in range(streams):
        one_input(rng)


Plant = Callable[[pytest.MonkeyPatch], None]


def ends_at_the_first_closing_tag(patch: pytest.MonkeyPatch) -> None:
    """A stanza inside a stanza is not counted."""

    def search(buffer: bytes, name: bytes, resume: int, passed: int) -> int:
        found = buffer.find(b"</" + name + b">", resume, passed)
        return framing.INCOMPLETE if found < 0 else found + len(name) + 3

    patch.setattr(codec, "search", search)
    patch.setattr(budget, "search", search)


def takes_cdata_for_markup(patch: pytest.MonkeyPatch) -> None:
    """Tags are counted inside CDATA sections, too."""
    patch.setattr(framing, "_TAG", re.compile(framing._TAG.pattern.replace(b"(!)", b"(?!)(!)")))


def ignores_declarations_of_the_stanza(patch: pytest.MonkeyPatch) -> None:
    """A stanza that declares namespaces in its own start tag is taken for a usual one."""
    pattern = codec._USUAL_STANZA.pattern
    assert b"(?!xmlns)" in pattern
    patch.setattr(codec, "_USUAL_STANZA", re.compile(pattern.replace(b"(?!xmlns)", b""), re.DOTALL))


def lets_prefixes_of_the_header_pass(patch: pytest.MonkeyPatch) -> None:
    """Do not rewrite content that uses a prefix of the stream header."""
    patch.setattr(Scope, "is_borrowed_from", lambda self, raw: self._content in raw)


def overlooks_a_namespace_in_references(patch: pytest.MonkeyPatch) -> None:
    """The content namespace is written with character references, and is not recognised."""
    patch.setattr(scope, "_hides_a_namespace", lambda raw: False)


def moves_content_below_prefixes(patch: pytest.MonkeyPatch) -> None:
    """Let content below a foreign prefixed element change its namespace with the stream."""
    patch.setattr(scope, "_has_content_below_prefix", lambda raw: False)


def loses_the_language(patch: pytest.MonkeyPatch) -> None:
    """The language of the stream is not written into its stanzas."""
    patch.setattr(Scope, "with_language", lambda self, raw, name_end: raw)


def reads_addresses_as_written(patch: pytest.MonkeyPatch) -> None:
    """References in an attribute value are not resolved."""
    patch.setattr(stanza_reader, "unescape", bytes.decode)
    patch.setattr(stanzas, "unescape", bytes.decode)


def keeps_a_spaced_attribute(patch: pytest.MonkeyPatch) -> None:
    """`to = 'x'` is not known for the address that is to be replaced."""
    patch.setattr(start_tags, "_ATTRIBUTE", re.compile(rb"""[ \t\r\n]+([^\s=/>]+)=('[^']*'|"[^"]*")"""))


def drops_what_was_cut_at_a_stanza(patch: pytest.MonkeyPatch) -> None:
    """Forget an incomplete token where it is short."""
    forget = codec.Codec._forget_taken

    def forgetting(self: codec.Codec, buffer: bytes) -> int:
        taken = forget(self, buffer)
        if self._under_way is not None and len(self._buffer) < 12:
            self._under_way = None
            taken += len(self._buffer)
            self._offset += len(self._buffer)
            self._buffer = b""
        return taken

    patch.setattr(codec.Codec, "_forget_taken", forgetting)


PLANTS: tuple[Plant, ...] = (
    ends_at_the_first_closing_tag,
    takes_cdata_for_markup,
    ignores_declarations_of_the_stanza,
    lets_prefixes_of_the_header_pass,
    overlooks_a_namespace_in_references,
    moves_content_below_prefixes,
    loses_the_language,
    reads_addresses_as_written,
    keeps_a_spaced_attribute,
    drops_what_was_cut_at_a_stanza,
)


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_fault_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, ValueError)):
        run(Random("planted"), ENOUGH)
