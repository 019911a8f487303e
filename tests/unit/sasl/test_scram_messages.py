"""The grammar of SCRAM (RFC 5802 §7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sasl.scram_messages import (
    ClientFinal,
    ClientFirst,
    Gs2Header,
    ServerFirst,
    read_server_final,
    write_server_final,
)
from gateway.xmpp.errors import SaslCondition, SaslFailure

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30)
nonces = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","), min_size=1, max_size=30)
headers = st.builds(Gs2Header.make, st.sampled_from("ny"), st.none(), st.none() | names) | st.builds(
    Gs2Header.make, st.just("p"), st.sampled_from(["tls-exporter", "tls-unique"]), st.none() | names
)


@given(headers, names, nonces)
def test_client_first_reads_as_it_was_written(header: Gs2Header, username: str, nonce: str) -> None:
    first = ClientFirst.make(header, username, nonce)
    assert ClientFirst.read(bytes(first)) == first


@given(nonces, st.binary(min_size=1, max_size=40), st.integers(1, 9_999_999_999))
def test_server_first_reads_as_it_was_written(nonce: str, salt: bytes, iterations: int) -> None:
    first = ServerFirst.make(nonce, salt, iterations)
    assert ServerFirst.read(bytes(first)) == first


@given(st.binary(min_size=1, max_size=60), nonces, st.binary(min_size=1, max_size=40))
def test_client_final_reads_as_it_was_written(binding: bytes, nonce: str, proof: bytes) -> None:
    unproved = ClientFinal.make(binding, nonce)
    final = ClientFinal(binding=binding, nonce=nonce, without_proof=unproved.without_proof, proof=proof)
    assert ClientFinal.read(bytes(final)) == final


def test_optional_extensions_are_skipped_and_signed() -> None:
    first = ClientFirst.read(b"n,,n=juliet,r=nonce,d=hash,x=more")
    assert first.username == "juliet"
    assert first.bare == "n=juliet,r=nonce,d=hash,x=more"
    assert ClientFinal.read(b"c=biws,r=nonce,x=more,p=cHJvb2Y=").without_proof == "c=biws,r=nonce,x=more"
    assert ServerFirst.read(b"r=nonce,s=c2FsdA==,i=4096,x=more").iterations == 4096
    assert read_server_final(b"v=c2ln,x=more") == b"sig"


def test_names_are_unescaped_once() -> None:
    first = ClientFirst.read(b"n,a=a=2Cb@c,n==3D2C=2C,r=x")
    assert (first.header.authzid, first.username) == ("a,b@c", "=2C,")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"n",
        b"n,",
        b"n,,",
        b"n,,n=juliet",
        b"n,,r=x,n=juliet",  # out of order
        b"n,,n=juliet,r=x,r=y",
        b"n,,n=juliet,r=x,n=romeo",
        b"n,,m=x,n=juliet,r=x",  # a mandatory extension
        b"n,,n=juliet,r=x,m=x",
        b"n,,n=,r=x",
        b"n,,n=juliet,r=",
        b"n,,n=juliet,r=x,",
        b"n,,n=juliet,r=x,xx",
        b"n,,n=juliet,r=x,9=x",
        b"n,,n=juliet,r=x y",
        b"n,,n=juliet,r=\xc3\xa9",
        b"n,,n=ju=liet,r=x",
        b"n,,n=ju=2cliet,r=x",  # the escape is in upper case
        b"n,,n=ju\0liet,r=x",
        b"n,,n=\xff,r=x",
        b"n,juliet,n=juliet,r=x",
        b"n,a=,n=juliet,r=x",
        b"x,,n=juliet,r=x",
        b"p,,n=juliet,r=x",
        b"p=,,n=juliet,r=x",
        b"p=tls exporter,,n=juliet,r=x",
        b"N,,n=juliet,r=x",
        b",,n=juliet,r=x",
        b"n=juliet,r=x",
        b"n,,n=juliet,r=" + b"x" * 9000,
    ],
)
def test_client_first_out_of_grammar_is_malformed(message: bytes) -> None:
    with pytest.raises(SaslFailure) as caught:
        ClientFirst.read(message)
    assert caught.value.condition is SaslCondition.MALFORMED_REQUEST


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"p=cHJvb2Y=",
        b"c=biws,r=x",
        b"c=biws,p=cHJvb2Y=",
        b"r=x,c=biws,p=cHJvb2Y=",
        b"c=biws,r=x,p=cHJvb2Y=,x=y",  # the proof is last
        b"c=biws,r=x,p=cHJvb2Y",
        b"c=biws,r=x,p=cHJvb2Z=",  # bits behind the data
        b"c=biws,r=x,p=",
        b"c=bi ws,r=x,p=cHJvb2Y=",
        b"c=biws,r=x,m=y,p=cHJvb2Y=",
        b"c=biws,r=x,c=biws,p=cHJvb2Y=",
    ],
)
def test_client_final_out_of_grammar_is_malformed(message: bytes) -> None:
    with pytest.raises(SaslFailure) as caught:
        ClientFinal.read(message)
    assert caught.value.condition is SaslCondition.MALFORMED_REQUEST


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"r=x,s=c2FsdA==",
        b"s=c2FsdA==,r=x,i=1",
        b"r=x,s=c2FsdA==,i=0",
        b"r=x,s=c2FsdA==,i=-1",
        b"r=x,s=c2FsdA==,i=01",
        b"r=x,s=c2FsdA==,i=99999999999",
        b"r=x,s=c2FsdA==,i=\xd9\xa1",  # a digit, but not of ASCII
        b"r=x,s=,i=1",
        b"m=x,r=x,s=c2FsdA==,i=1",
    ],
)
def test_server_first_out_of_grammar_is_malformed(message: bytes) -> None:
    with pytest.raises(SaslFailure) as caught:
        ServerFirst.read(message)
    assert caught.value.condition is SaslCondition.MALFORMED_REQUEST


def test_refusal_in_server_final_is_a_failure_that_names_it() -> None:
    with pytest.raises(SaslFailure, match="invalid-proof") as caught:
        read_server_final(b"e=invalid-proof")
    assert caught.value.condition is SaslCondition.NOT_AUTHORIZED
    assert read_server_final(write_server_final(b"signature")) == b"signature"
