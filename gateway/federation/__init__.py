"""Remote domains: when to try them, what they have proved, and the stanzas that wait for them.

route_table.py          the routes, one for each pair of domains
route.py                RemoteRoute: waits for a stream, keeps or bounces what waits, writes the rest
unanswered.py           requests whose stream ended before the answers came
crowded.py              the route of pairs beyond the limit
backoff.py              when a domain may be tried again                             RFC 6120 §3.3
delivery_failures.py    from any failure to the error for the sender of a stanza or key  RFC 6120 §8.3.3
streams.py              which stream a pair gets: a proved one, an open one, a new one   XEP-0220 §2.6
session.py              the common part of all streams between servers
inbound.py              a stream that another server opened
outbound.py             a stream that we opened; whether its pairs were accepted     XEP-0220 §2.1, §2.6
stream_end.py           how a stream ended, for the routes that used it
life.py                 the life of a session, as a table
admission.py            from a stream to the router: is the sender proved?           RFC 6120 §8.1
verification.py         asking the authoritative server about a dialback key         XEP-0220 §2.1.2
verification_places.py  how many keys are verified at a time, and at whose request
key_questions.py        the questions that wait on one stream; which answer is whose XEP-0220 §2.1.2
managed_stream.py       counting, asking and answering                               XEP-0198 §4
resumable_streams.py    streams that other servers may resume                        XEP-0198 §5
moving.py               streams that another server resumes at another node          XEP-0198 §5
broken_streams.py       our streams that broke, and the routes that wait for them    XEP-0198 §5
rate_limit.py           reading more slowly from a peer above its rate
"""
