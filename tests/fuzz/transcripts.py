"""What servers really say to each other, in segments, and the words of that language: the soil of all mutations."""

from __future__ import annotations

STREAMS = "xmlns:stream='http://etherx.jabber.org/streams'"
HEADER = f"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' {STREAMS}"
# Prosody, ejabberd, jabberd2 and this gateway order and quote differently.
OURS = f"{HEADER} from='theirs.test' to='ours.test' version='1.0' xml:lang='en'>"
PROSODY = (
    "<?xml version='1.0'?><stream:stream xmlns:db='jabber:server:dialback' to='ours.test' version='1.0' id=''"
    f" xml:lang='en' {STREAMS} xmlns='jabber:server' from='theirs.test'>"
)
EJABBERD = OURS.replace("'", '"').replace(' xml:lang="en"', "")
ANSWER = f"{HEADER} from='theirs.test' to='ours.test' id='0c7f-1' version='1.0' xml:lang='en'>"

TLS, SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-tls'", "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
STANZAS_NS = "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"
STARTTLS, PROCEED = f"<starttls {TLS}/>", f"<proceed {TLS}/>"
AUTH = f"<auth {SASL} mechanism='EXTERNAL'>dGhlaXJzLnRlc3Q=</auth>"
SUCCESS, FAILURE = f"<success {SASL}/>", f"<failure {SASL}><not-authorized/><text>no</text></failure>"
MECHANISMS = f"<mechanisms {SASL}><mechanism>EXTERNAL</mechanism></mechanisms>"
DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
IN_CLEAR = f"<stream:features>{STARTTLS}{DIALBACK}</stream:features>"
UNDER_TLS = f"<stream:features>{MECHANISMS}{DIALBACK}</stream:features>"
EMPTY = "<stream:features/>"
RESULT = "<db:result from='theirs.test' to='ours.test'>6d3c4b</db:result>"
VALID = "<db:result from='theirs.test' to='ours.test' type='valid'/>"
REFUSED = (
    "<db:result from='theirs.test' to='ours.test' type='error'><error type='cancel'>"
    f"<item-not-found {STANZAS_NS}/></error></db:result>"
)
VERIFY = "<db:verify from='theirs.test' to='ours.test' id='0c7f-1'>6d3c4b</db:verify>"
VERIFIED = "<db:verify from='theirs.test' to='ours.test' id='s' type='valid'/>"
ERROR = (
    "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
    "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>who?</text></stream:error>"
)
CLOSE = "</stream:stream>"

STANZAS = (
    "<message from='romeo@theirs.test/orchard' to='juliet@ours.test' type='chat' id='ju2ba41c' xml:lang='en'>"
    "<body>Neither, fair saint, if either thee dislike.</body><active xmlns='http://jabber.org/protocol/chatstates'/>"
    "</message>",
    "<iq from='theirs.test' to='ours.test' id='a&apos;1' type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
    "<iq to='ours.test' from='theirs.test' id='2' type='result'/>",
    "<presence from='r@theirs.test/o' to='j@ours.test'><show>away</show><priority>-1</priority></presence>",
    "<message to='j@ours.test' from='r@theirs.test'><forwarded xmlns='urn:xmpp:forward:0'><message"
    " xmlns='jabber:client'><body>x</body></message></forwarded></message>",
    "<message to='j@ours.test' from='r@theirs.test'><body><![CDATA[</message> & <more>]]></body></message >",
    "<s:message xmlns:s='jabber:server' to='j@ours.test' from='r@theirs.test'><s:body>&#x1F600;</s:body></s:message>",
    "<message to='j@ours.test' from='r@theirs.test'><db:x stream:y='1'/><x xmlns='jabber:server'/></message>",
    "<message to='j@ours.test' from='r@theirs.test' id=\"'>\"><a b='/>' c=\"'\"/><messages/>\n</message>",
    "<presence from='größe@theirs.test/☃' to='@@' type='error'><error type='cancel'/></presence>",
)

# Each is what the other side says in one go, and (receiving?) which role hears it.
INBOUND = (
    (OURS, STARTTLS, OURS, AUTH, OURS, "".join(STANZAS[:3]), CLOSE),
    (PROSODY, STARTTLS, PROSODY, RESULT, *STANZAS, " ", CLOSE),
    (EJABBERD, STARTTLS, EJABBERD, AUTH, EJABBERD, STANZAS[0] * 3, VERIFY, RESULT, ERROR + CLOSE),
    (OURS, RESULT, VERIFY + RESULT, "".join(STANZAS)),
    (OURS, STARTTLS, OURS, FAILURE, AUTH.replace("dGhl", "!"), AUTH, AUTH),
)
OUTBOUND = (
    (ANSWER + IN_CLEAR, PROCEED, ANSWER + UNDER_TLS, SUCCESS, ANSWER + EMPTY, VERIFIED + STANZAS[0], CLOSE),
    (ANSWER, IN_CLEAR, PROCEED, ANSWER, UNDER_TLS, FAILURE, VALID, RESULT, CLOSE),
    (ANSWER + IN_CLEAR, PROCEED, ANSWER + EMPTY, REFUSED),
    (ANSWER.replace(" version='1.0'", ""), PROCEED, ANSWER, EMPTY, VALID + VERIFIED),
    (ANSWER + ERROR + CLOSE,),
)

BYTES = (b"\xff", b"\xc0\xbc", b"\xed\xa0\x80", b"\xef\xbf\xbe", b"\xe2\x82", b"\xfe\xff", b"<\0", b"\0", b"x" * 600)
MARKUP = (
    "<", ">", "/>", "</", "'", '"', "=", "&", ";", "&#0;", "&#x41;", "&lt;", "&amp;", "<![CDATA[", "]]>", "<!--", "<?",
    "<!DOCTYPE", " ", "\n", "\r\n", "\t", "xmlns", "xmlns=''", "xmlns:a='b'", "xml:lang='de'", "stream:", "db:", "a:",
    "message", "<message", "</message>", "<iq", "</iq>", "<presence/>", "<a>", "</a>", "<a/>", "jabber:server", " to='",
    "jabber:client", " from='", " type='", " id='", "error", "theirs.test", "ours.test", "@", "/", "\x1f", "ü",
)  # fmt: skip
ELEMENTS = (STARTTLS, PROCEED, AUTH, SUCCESS, FAILURE, RESULT, VALID, VERIFY, ERROR, CLOSE, EMPTY, OURS, *STANZAS)
WORDS = (*(word.encode() for word in MARKUP + ELEMENTS), *BYTES)
