"""Random streams that are well-formed, and written in every way that XML allows and XMPP does not forbid."""

from __future__ import annotations

from random import Random

_CONTENT = ("jabber:server", "jabber:server", "jabber:client", "jabber:component:accept")
_STANZAS = ("message", "presence", "iq")
_NAMES = (*_STANZAS, "messages", "iqs", "presence2", "a", "b", "body", "to", "ü", "x.y-z", "stream")
_VALUES = (
    "", "a@theirs.test/r", "theirs.test", "b@ours.test", "GRÖSSE@ours.test", "@", "a b@c", "get", "set", "error",
    "chat", "&lt;&amp;&quot;&apos;",
    "&#x41;&#66;", "a&#64;b.test", "x > y", "/>", "</message>", "--", "]]>", "jabber:server",
    " db:x", "xmlns='q'", "ü☃😀", "\n\t", "1=2", "to='evil@x'",
)  # fmt: skip
_TEXTS = (
    "", " ", "\n", "hi", "&lt;/message&gt;", "&amp;", "&#x1F600;", "a > b", "'\"", "jabber:server", "db:x", "ü",
    "<![CDATA[</message>]]>", "<![CDATA[<iq>]]>", "<![CDATA[]]>", "<![CDATA[ ]] > ' \" ]]>", ":", "stream:", "/",
)  # fmt: skip
_NAMESPACES = (
    "urn:x", "urn:y", "jabber:server", "jabber:client", "jabber&#58;server", "jabber:&#x73;erver", "jabber:server ",
    "jabber:server:dialback", "http://etherx.jabber.org/streams", "&lt;'", "jabber:component:accept",
)  # fmt: skip
_PREFIXES = ("db", "stream", "p", "q", "message", "xmlnsx")
_DECLARED = {"db": "jabber:server:dialback", "stream": "http://etherx.jabber.org/streams", "p": "urn:p"}


def random_stream(rng: Random) -> bytes:
    """A header and some children, perhaps with the closing tag, perhaps not to its end."""
    scope = [prefix for prefix in _DECLARED if prefix == "stream" or rng.random() < 0.7]
    declared = "".join(f" xmlns:{prefix}={_quoted(rng, _DECLARED[prefix])}" for prefix in scope)
    language = rng.choice(("", "", " xml:lang='en'", " xml:lang='de-x'", " xml:lang='no lang'"))
    start = rng.choice(("", "<?xml version='1.0'?>", "<?xml version='1.0' encoding='UTF-8'?>\n"))
    header = (
        f"{start}<stream:stream xmlns='{rng.choice(_CONTENT)}'{declared}{language} from='theirs.test' version='1.0'>"
    )
    children = [_child(rng, scope) for _ in range(rng.choice((1, 2, 3, 6)))]
    between = ("", "", "", " ", "\n", "  \r\n\t")
    body = "".join(child + rng.choice(between) for child in children)
    closing = rng.choice(("", "", "</stream:stream>", "</stream:stream >"))
    return (header + rng.choice(between) + body + closing).encode()


def _child(rng: Random, scope: list[str]) -> str:
    if rng.random() < 0.75:
        return _element(rng, scope, rng.choice(_STANZAS), 0, plain=rng.random() < 0.5)
    return _element(rng, scope, rng.choice(_NAMES), 0)


def _element(rng: Random, scope: list[str], name: str, depth: int, *, plain: bool = False) -> str:
    """One element; `plain`: as most programs write it."""
    if plain:
        attributes = [
            f"{key}={_quoted(rng, rng.choice(_VALUES))}" for key in ("from", "to", "type") if rng.random() < 0.7
        ]
        spaced = "".join(" " + attribute for attribute in attributes)
    else:
        scope, attributes = _declarations(rng, scope)
        if rng.random() < 0.25:
            name = f"{rng.choice(scope)}:{name}"
        keys = [key for key in ("from", "to", "type", "id", "xml:lang", "x", "xmlnsy", "fromm") if rng.random() < 0.3]
        if rng.random() < 0.2:
            keys.append(f"{rng.choice(scope)}:{rng.choice(('to', 'from', 'x'))}")
        equals = rng.choice(("=", "=", "=", " = ", "\n=", "= "))
        attributes += [f"{key}{equals}{_quoted(rng, rng.choice(_VALUES))}" for key in keys]
        rng.shuffle(attributes)
        spaced = "".join(rng.choice((" ", " ", "  ", "\n", "\t")) + attribute for attribute in attributes)
        spaced += rng.choice(("", "", "", " ", "\r\n"))
    children = "" if depth > 3 else "".join(_content(rng, scope, depth) for _ in range(rng.choice((0, 0, 1, 2, 3))))
    if not children and rng.random() < 0.7:
        return f"<{name}{spaced}/>"
    return f"<{name}{spaced}>{children}</{name}{'' if plain else rng.choice(('', '', '', ' '))}>"


def _content(rng: Random, scope: list[str], depth: int) -> str:
    if rng.random() < 0.4:
        return rng.choice(_TEXTS)
    return _element(rng, scope, rng.choice(_NAMES), depth + 1, plain=rng.random() < 0.3)


def _declarations(rng: Random, scope: list[str]) -> tuple[list[str], list[str]]:
    """Return what one start tag declares, and what can be used behind it."""
    declared = []
    if rng.random() < 0.3:
        namespace = rng.choice((*_NAMESPACES, ""))
        declared.append(f"xmlns={_quoted(rng, namespace)}")
    for prefix in _PREFIXES:
        if rng.random() < 0.06:
            declared.append(f"xmlns:{prefix}={_quoted(rng, rng.choice(_NAMESPACES))}")
            scope = [*scope, prefix]
    return scope, declared


def _quoted(rng: Random, value: str) -> str:
    quote = "'" if '"' in value or ("'" not in value and rng.random() < 0.6) else '"'
    if quote in value:
        value = value.replace(quote, "&apos;" if quote == "'" else "&quot;")
    return quote + value.replace("<", "&lt;") + quote
