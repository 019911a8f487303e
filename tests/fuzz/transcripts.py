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

BIDI = (
    "<bidi xmlns='urn:xmpp:bidi'><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes></limits></bidi>"
)
SM = "xmlns='urn:xmpp:sm:3'"
MANAGED = f"<enable {SM} resume='true'/><r {SM}/><a {SM} h='1'/>"
MANAGING = f"<sm {SM}/><bidi xmlns='urn:xmpp:features:bidi'/>"
HANDSHAKE = "<handshake>b1c1c6e0a3b2e3c0a1d5d1ddc2f1a6f6f0a1e2d3</handshake>"
ACCEPT = f"<stream:stream xmlns='jabber:component:accept' {STREAMS} to='bridge.ours.test'>"
CLIENT = f"<?xml version='1.0'?><stream:stream xmlns='jabber:client' {STREAMS} to='ours.test' version='1.0'>"
PLAIN = f"<auth {SASL} mechanism='PLAIN'>AGFsaWNlAHNlY3JldA==</auth>"
SCRAM = f"<auth {SASL} mechanism='SCRAM-SHA-1'>biwsbj1hbGljZSxyPWFiY2RlZg==</auth>"
RESPONSE = f"<response {SASL}>Yz1iaXdzLHI9YWJjZGVmLHA9QUFBQQ==</response>"
BIND = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>"
SESSION = "<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>"

# Each is a talk: what the other side says, in segments; and by whom it is heard.
INBOUND = (
    (OURS, STARTTLS, OURS, BIDI + AUTH, OURS, MANAGED + STANZAS[0] + f"<r {SM}/>", CLOSE),
    (OURS, STARTTLS, OURS, AUTH, OURS, "".join(STANZAS[:3]), CLOSE),
    (PROSODY, STARTTLS, PROSODY, RESULT, *STANZAS, " ", CLOSE),
    (EJABBERD, STARTTLS, EJABBERD, AUTH, EJABBERD, STANZAS[0] * 3, VERIFY, RESULT, ERROR + CLOSE),
    (OURS, RESULT, VERIFY + RESULT, "".join(STANZAS)),
    (OURS, STARTTLS, OURS, FAILURE, AUTH.replace("dGhl", "!"), AUTH, AUTH),
)
OUTBOUND = (
    (
        ANSWER + IN_CLEAR,
        PROCEED,
        ANSWER + UNDER_TLS.replace("<dial", MANAGING + "<dial"),
        SUCCESS,
        ANSWER + f"<stream:features><sm {SM}/></stream:features>",
        f"<enabled {SM} id='x' resume='true'/>" + STANZAS[0],
        f"<a {SM} h='0'/><r {SM}/>",
        CLOSE,
    ),
    (ANSWER + IN_CLEAR, PROCEED, ANSWER + UNDER_TLS, SUCCESS, ANSWER + EMPTY, VERIFIED + STANZAS[0], CLOSE),
    (ANSWER, IN_CLEAR, PROCEED, ANSWER, UNDER_TLS, FAILURE, VALID, RESULT, CLOSE),
    (ANSWER + IN_CLEAR, PROCEED, ANSWER + EMPTY, REFUSED),
    (ANSWER.replace(" version='1.0'", ""), PROCEED, ANSWER, EMPTY, VALID + VERIFIED),
    (ANSWER + ERROR + CLOSE,),
)

COMPONENT = (
    (ACCEPT, HANDSHAKE, *STANZAS[:4], CLOSE),
    (ACCEPT + HANDSHAKE + STANZAS[0].replace("<m", "<m xmlns='jabber:client'"),),
)
CLIENTS = (
    (CLIENT, STARTTLS, CLIENT, PLAIN, SCRAM, RESPONSE, f"<abort {SASL}/>", AUTH, PLAIN),
    (CLIENT, PLAIN, RESPONSE, BIND),
)
BOUND = (
    (CLIENT, BIND, SESSION, STANZAS[0], MANAGED, "<active xmlns='urn:xmpp:csi:0'/>", STANZAS[1], CLOSE),
    (CLIENT, f"<resume {SM} previd='x' h='3'/>", BIND + SESSION, "<inactive xmlns='urn:xmpp:csi:0'/>" + STANZAS[3]),
)

BYTES = (b"\xff", b"\xc0\xbc", b"\xed\xa0\x80", b"\xef\xbf\xbe", b"\xe2\x82", b"\xfe\xff", b"<\0", b"\0", b"x" * 600)
MARKUP = (
    "<", ">", "/>", "</", "'", '"', "=", "&", ";", "&#0;", "&#x41;", "&lt;", "&amp;", "<![CDATA[", "]]>", "<!--", "<?",
    "<!DOCTYPE", " ", "\n", "\r\n", "\t", "xmlns", "xmlns=''", "xmlns:a='b'", "xml:lang='de'", "stream:", "db:", "a:",
    "message", "<message", "</message>", "<iq", "</iq>", "<presence/>", "<a>", "</a>", "<a/>", "jabber:server", " to='",
    "jabber:client", " from='", " type='", " id='", "error", "theirs.test", "ours.test", "@", "/", "\x1f", "ü",
)  # fmt: skip
ELEMENTS = (
    STARTTLS, PROCEED, AUTH, SUCCESS, FAILURE, RESULT, VALID, VERIFY, ERROR, CLOSE, EMPTY, OURS, BIDI, MANAGED, BIND,
    *STANZAS,
)  # fmt: skip
WORDS = (*(word.encode() for word in MARKUP + ELEMENTS), *BYTES)
