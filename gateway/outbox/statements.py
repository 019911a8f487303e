"""The SQL of the outbox: functions over a connection.

Each runs inside the caller's transaction, and the caller undoes it when it raises. Those that remove stanzas return how
many of which pair, by the id of the pair's row, so that the caller can update its tallies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.outbox.chunks import Chunk, Damaged, bits_of, bits_upto, chunk_of, number_of, pack, unpack
from gateway.outbox.records import (
    AGES,
    AsideStanza,
    DomainState,
    DomainSummary,
    ExpiredStanza,
    Failing,
    KeptStanza,
    OutboxLimits,
    PairState,
    WithheldStanza,
)
from gateway.outbox.sealing import Seal, WrongKey
from gateway.storage.dialects import SqlConnection
from gateway.xmpp.addresses import Domain, DomainPair

_KEY = b"key"
_CHUNK = "sequence, pair, accepted, expires, count, live, done, bytes, sealed, key, content"
_INSERT = f"INSERT INTO chunk ({_CHUNK}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_AGE = "CASE " + " ".join(f"WHEN seconds < {age} THEN {place}" for place, age in enumerate(AGES))
_AGE += f" ELSE {len(AGES)} END"
# Deletes the rows of some pairs that are settled as a whole. For each pair: its id, a row, and how many of its stanzas.
_SETTLED_PAIRS = 16
_SETTLE = {
    pairs: f"WITH settled (pair, upto, places) AS (VALUES {', '.join(['(?, ?, ?)'] * pairs)})"
    " DELETE FROM chunk WHERE sequence IN (SELECT sequence FROM settled JOIN chunk ON chunk.pair = settled.pair"
    " AND sequence <= upto AND (sequence < upto OR count <= places)) RETURNING pair, sequence, live, bytes"
    for pairs in range(1, _SETTLED_PAIRS + 1)
}
_PAGE = (
    "SELECT sequence, accepted, expires, done, sealed, content FROM chunk"
    " WHERE pair = ? AND sequence >= ? ORDER BY sequence LIMIT ?"
)
# The numbers of rows read at a time: a server sends all that is asked for, and a row may have 64 KiB.
_FIRST_ROWS = 8
_MOST_ROWS = 64


class Gone(NamedTuple):
    """Removed stanzas of one pair, and their size."""

    pair: int
    stanzas: int
    bytes: int


@dataclass(kw_only=True)
class Work:
    """The work of one transaction: chunks, rows of their pairs, what is settled or read by pair, what is removed."""

    pairs: dict[int, DomainPair] = field(default_factory=dict)
    chunks: Sequence[tuple[int, Chunk]] = ()
    settled: Mapping[int, int] = field(default_factory=dict)
    read: Mapping[int, int] = field(default_factory=dict)
    removed: Collection[int] = ()


def write(db: SqlConnection, work: Work, seal: Seal | None) -> list[Gone]:
    """Do IOutbox.put, put_newest, settle, mark_read and remove, for all calls since the last transaction."""
    gone: list[Gone] = []
    # What is settled goes first, so that its pages are used again and written once; but not before it has come.
    first = work.chunks[0][1].sequence if work.chunks else 0
    older, newer = dict(work.settled), {}
    if first:
        newer = {id: upto for id, upto in work.settled.items() if upto >= number_of(first, 0)}
        older = {id: upto for id, upto in work.settled.items() if id not in newer}
    gone += _settle(db, older)
    if work.pairs:
        rows = ((id, pair.sender, pair.target) for id, pair in work.pairs.items())
        db.executemany("INSERT INTO pair (id, sender, target) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows)
    plain = []
    for id, chunk in work.chunks:
        if chunk.key is None:
            plain.append(_row(id, chunk, seal))
        else:
            replaced = db.execute("DELETE FROM chunk WHERE pair = ? AND key = ? RETURNING live, bytes", (id, chunk.key))
            gone += (Gone(id, *row) for row in replaced.fetchall())
            db.execute(_INSERT, _row(id, chunk, seal))
    db.executemany(_INSERT, plain)
    gone += _settle(db, newer)
    if work.read:
        db.executemany("UPDATE pair SET read_upto = ? WHERE id = ?", ((upto, id) for id, upto in work.read.items()))
    for sequence, bits in bits_of(work.removed).items():
        gone += _mark(db, sequence, bits)
    return gone


def page(
    db: SqlConnection, id: int, after: int, limit: int, limits: OutboxLimits, seal: Seal | None
) -> tuple[tuple[KeptStanza, ...], list[int]]:
    """Do IOutbox.page; return also the chunks on the way that cannot be read."""
    found: list[KeptStanza] = []
    damaged: list[int] = []
    size = 0
    next_row, most = chunk_of(after)[0], _FIRST_ROWS
    while True:
        rows = db.execute(_PAGE, (id, next_row, most)).fetchall()
        before = len(found)
        for sequence, accepted, expires, done, sealed, content in rows:
            try:
                chunk = _read(sequence, id, done, sealed, content, seal)
            except (Damaged, WrongKey):
                damaged.append(sequence)
                continue
            first, bytes_of_row = number_of(sequence, 0), sum(map(len, chunk.stanzas))
            is_whole = not done and first > after
            if is_whole and len(found) + len(chunk.stanzas) <= limit and size + bytes_of_row <= limits.page_bytes:
                found += [KeptStanza(number, raw, accepted, expires) for number, raw in enumerate(chunk.stanzas, first)]
                size += bytes_of_row
                continue
            for number, raw in chunk.waiting(after):
                size += len(raw)
                if len(found) >= limit or (found and size > limits.page_bytes):
                    return tuple(found), damaged
                found.append(KeptStanza(number, raw, accepted, expires))
        if len(rows) < most or len(found) >= limit:
            return tuple(found), damaged
        # No more than will be needed, if the next rows hold as many as these.
        each = max(1, (len(found) - before) // most)
        next_row, most = rows[-1][0] + 1, min(_MOST_ROWS, (limit - len(found)) // each + 1)


def expired(
    db: SqlConnection, now: float, limit: int, seal: Seal | None
) -> tuple[tuple[ExpiredStanza, ...], list[int], float | None]:
    """Do IOutbox.expired; return also unreadable chunks and, if nothing is due, when something will be."""
    found: list[ExpiredStanza] = []
    damaged: list[int] = []
    rows = db.execute(
        "SELECT sequence, pair, sender, target, accepted, done, sealed, content FROM chunk JOIN pair ON pair.id = pair"
        " WHERE expires <= ? ORDER BY sequence LIMIT ?",
        (now, limit),
    )
    for sequence, id, sender, target, accepted, done, sealed, content in rows:
        try:
            chunk = _read(sequence, id, done, sealed, content, seal)
        except (Damaged, WrongKey):
            damaged.append(sequence)
            continue
        pair = DomainPair(sender, target)
        found += (
            ExpiredStanza(pair=pair, number=number, raw=raw, accepted=accepted) for number, raw in chunk.waiting()
        )
        if len(found) >= limit:
            break
    if found or damaged:
        return tuple(found), damaged, None
    (earliest,) = db.execute("SELECT min(expires) FROM chunk").fetchone()
    return (), [], float("inf") if earliest is None else float(earliest)


def set_aside(db: SqlConnection, number: int, reason: str, limits: OutboxLimits, seal: Seal | None) -> list[Gone]:
    """IOutbox.set_aside."""
    sequence, place = chunk_of(number)
    row = db.execute(
        "SELECT pair, sender, target, accepted, count, done, sealed, content FROM chunk JOIN pair ON pair.id = pair"
        " WHERE sequence = ?",
        (sequence,),
    ).fetchone()
    if row is None:
        return []
    id, sender, target, accepted, count, done, sealed, content = row
    if place >= count or done >> place & 1:
        return []
    raw = _read(sequence, id, done, sealed, content, seal).stanzas[place]
    kept = raw if seal is None else seal.close(raw, _aside_place(number))
    _add_aside(db, (number, sender, target, accepted, seal is not None, reason, kept), limits)
    return _mark(db, sequence, 1 << place)


def keep_aside(
    db: SqlConnection, row: tuple[int, DomainPair, float, str], stanza: bytes, limits: OutboxLimits, seal: Seal | None
) -> int | None:
    """IOutbox.keep_aside; the row is its number, pair, time and reason."""
    number, pair, accepted, reason = row
    (count,) = db.execute("SELECT count(*) FROM aside").fetchone()
    if count >= limits.aside:
        return None
    kept = stanza if seal is None else seal.close(stanza, _aside_place(number))
    _add_aside(db, (number, pair.sender, pair.target, accepted, seal is not None, reason, kept), limits)
    return number


def take_aside(db: SqlConnection, number: int) -> None:
    """IOutbox.take_aside."""
    db.execute("DELETE FROM aside WHERE number = ?", (number,))


def set_damaged_aside(db: SqlConnection, sequences: Iterable[int], limits: OutboxLimits) -> list[Gone]:
    """Take unreadable chunks out of their queues, with their content unchanged."""
    gone = []
    for sequence in sequences:
        row = db.execute(
            "DELETE FROM chunk WHERE sequence = ? RETURNING pair, live, bytes, accepted, content", (sequence,)
        ).fetchone()
        if row is not None:
            id, live, size, accepted, content = row
            sender, target = db.execute("SELECT sender, target FROM pair WHERE id = ?", (id,)).fetchone()
            reason = f"damaged: {live} stanzas cannot be read"
            _add_aside(db, (sequence << 6, sender, target, accepted, False, reason, content), limits)
            gone.append(Gone(id, live, size))
    return gone


def aside(db: SqlConnection, domain: Domain | None, seal: Seal | None) -> tuple[AsideStanza, ...]:
    """IOutbox.aside."""
    rows = db.execute("SELECT number, sender, target, accepted, sealed, reason, content FROM aside ORDER BY number")
    return tuple(
        AsideStanza(
            number=number,
            pair=DomainPair(sender, target),
            raw=_shown(content, _aside_place(number), sealed, seal),
            accepted=accepted,
            reason=reason,
        )
        for number, sender, target, accepted, sealed, reason, content in rows
        if domain in (None, target)
    )


def withhold(
    db: SqlConnection,
    pair: DomainPair,
    raw: bytes,
    times: tuple[float, float],
    rule: str,
    limits: OutboxLimits,
    seal: Seal | None,
) -> int | None:
    """IOutbox.withhold; `times` are when it was accepted and when it expires."""
    (all_together,) = db.execute("SELECT count(*) FROM withheld").fetchone()
    (of_sender,) = db.execute("SELECT count(*) FROM withheld WHERE sender = ?", (pair.sender,)).fetchone()
    if all_together >= limits.withheld or of_sender >= limits.withheld_each:
        return None
    number: int
    (number,) = db.execute(
        "INSERT INTO withheld (sender, target, accepted, expires, rule, sealed, content)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING number",
        (*pair, *times, rule, seal is not None, raw if seal is None else b""),
    ).fetchone()
    if seal is not None:
        sealed = seal.close(raw, _withheld_place(number))
        db.execute("UPDATE withheld SET content = ? WHERE number = ?", (sealed, number))
    return number


_WITHHELD = "number, sender, target, accepted, expires, rule, sealed, content"


def withheld(db: SqlConnection, seal: Seal | None) -> tuple[WithheldStanza, ...]:
    """IOutbox.withheld."""
    rows = db.execute(f"SELECT {_WITHHELD} FROM withheld ORDER BY number")
    return tuple(_withheld_stanza(row, seal) for row in rows)


def take_withheld(db: SqlConnection, number: int, seal: Seal | None) -> WithheldStanza | None:
    """IOutbox.take_withheld."""
    row = db.execute(f"DELETE FROM withheld WHERE number = ? RETURNING {_WITHHELD}", (number,)).fetchone()
    return None if row is None else _withheld_stanza(row, seal)


def expire_withheld(db: SqlConnection, now: float) -> int:
    """IOutbox.expire_withheld."""
    return db.execute("DELETE FROM withheld WHERE expires <= ?", (now,)).rowcount


def set_held(db: SqlConnection, domain: Domain, held: bool) -> None:
    """IOutbox.hold and release."""
    db.execute(
        "INSERT INTO domain (name, held) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET held = excluded.held",
        (domain, held),
    )
    _forget_usual(db, domain)


def held(db: SqlConnection) -> frozenset[Domain]:
    """IOutbox.held."""
    return frozenset(Domain(name) for (name,) in db.execute("SELECT name FROM domain WHERE held"))


def oldest(db: SqlConnection) -> float | None:
    """IOutbox.oldest."""
    row = db.execute("SELECT accepted FROM chunk ORDER BY sequence LIMIT 1").fetchone()
    return row[0] if row is not None else None


def drop(db: SqlConnection, domain: Domain, most: int) -> tuple[int, list[Gone]]:
    """Do IOutbox.drop for that number of rows at most; return how many stanzas were set aside, and what waited."""
    rows = db.execute(
        "DELETE FROM chunk WHERE sequence IN (SELECT sequence FROM chunk JOIN pair ON pair.id = pair WHERE target = ?"
        " LIMIT ?) RETURNING pair, live, bytes",
        (domain, most),
    )
    gone = [Gone(*row) for row in rows.fetchall()]
    return db.execute("DELETE FROM aside WHERE target = ?", (domain,)).rowcount, gone


def summary(db: SqlConnection, now: float) -> tuple[DomainSummary, ...]:
    """IOutbox.summary."""
    held = {name for (name,) in db.execute("SELECT name FROM domain WHERE held")}
    found: dict[str, DomainSummary] = {}
    rows = db.execute(
        f"SELECT target, {_AGE} AS age, sum(live), sum(bytes), min(accepted)"
        " FROM (SELECT target, live, bytes, accepted, ? - accepted AS seconds FROM chunk JOIN pair ON pair.id = pair)"
        " AS kept GROUP BY target, age",
        (now,),
    )
    for target, age, stanzas, size, oldest in rows:
        ages = [0] * (len(AGES) + 1)
        ages[age] = stanzas
        before = found.get(target)
        if before is not None:
            ages = [one + other for one, other in zip(ages, before.ages, strict=True)]
            size, oldest = size + before.bytes, min(oldest, before.oldest)
        found[target] = DomainSummary(
            domain=Domain(target),
            stanzas=sum(ages),
            bytes=size,
            oldest=oldest,
            ages=tuple(ages),
            is_held=target in held,
        )
    return tuple(sorted(found.values(), key=lambda each: (-each.stanzas, each.domain)))


def pairs(db: SqlConnection) -> tuple[PairState, ...]:
    """IOutbox.pairs."""
    return tuple(sorted(_pairs(db), key=lambda each: (each.oldest, each.pair)))


def state(db: SqlConnection, domain: Domain) -> DomainState:
    """IOutbox.state."""
    row = db.execute(
        "SELECT held, failures, failing_since, definite_since, verdict, reason FROM domain WHERE name = ?", (domain,)
    ).fetchone()
    failing = None
    if row is not None and row[1]:
        _, failures, since, definite_since, verdict, reason = row
        failing = Failing(failures=failures, since=since, verdict=verdict, reason=reason, definite_since=definite_since)
    (count,) = db.execute("SELECT count(*) FROM aside WHERE target = ?", (domain,)).fetchone()
    found = sorted(_pairs(db, domain), key=lambda each: (each.oldest, each.pair))
    return DomainState(
        domain=domain, pairs=tuple(found), is_held=row is not None and bool(row[0]), aside=count, failing=failing
    )


def remember(db: SqlConnection, domain: Domain, failing: Failing | None) -> None:
    """IOutbox.remember."""
    values: tuple[Any, ...] = (0, None, None, "", "")
    if failing is not None:
        values = (failing.failures, failing.since, failing.definite_since, failing.verdict, failing.reason)
    db.execute(
        "INSERT INTO domain (name, failures, failing_since, definite_since, verdict, reason) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET failures = excluded.failures, failing_since = excluded.failing_since,"
        " definite_since = excluded.definite_since, verdict = excluded.verdict, reason = excluded.reason",
        (domain, *values),
    )
    _forget_usual(db, domain)


def check_key(db: SqlConnection, seal: Seal | None) -> None:
    """Check that the sealed rows can be opened; raise WrongKey if not. If nothing is sealed, any key will do."""
    row = db.execute("SELECT value FROM about WHERE name = 'key'").fetchone()
    if row is not None:
        if seal is not None and _opens(seal, row[0]):
            return
        for table in ("chunk", "aside", "withheld"):
            if db.execute(f"SELECT 1 FROM {table} WHERE sealed LIMIT 1").fetchone():
                raise WrongKey("the stanzas were sealed with another key" if seal else "the stanzas are sealed")
    db.execute("DELETE FROM about WHERE name = 'key'")
    if seal is not None:
        db.execute("INSERT INTO about VALUES ('key', ?)", (seal.close(_KEY, _KEY),))


def forget_chunks(db: SqlConnection, sequences: Iterable[int]) -> None:
    """Delete chunks that were reported as not kept."""
    db.executemany("DELETE FROM chunk WHERE sequence = ?", ((sequence,) for sequence in sequences))


def settle_read(db: SqlConnection) -> None:
    """Settle what an earlier process knew to have been read by the other servers."""
    _settle(db, dict(db.execute("SELECT id, read_upto FROM pair WHERE read_upto > 0").fetchall()))
    db.execute("UPDATE pair SET read_upto = 0 WHERE read_upto > 0")


def forget_pairs(db: SqlConnection, ids: Iterable[int]) -> None:
    """Delete the rows of pairs of which nothing is kept."""
    db.executemany("DELETE FROM pair WHERE id = ?", ((id,) for id in ids))


def _row(id: int, chunk: Chunk, seal: Seal | None) -> tuple[Any, ...]:
    content = pack(chunk.stanzas)
    if seal is not None:
        content = seal.close(content, _place(id, chunk.sequence))
    count = len(chunk.stanzas)
    return (
        chunk.sequence,
        id,
        chunk.accepted,
        chunk.expires,
        count,
        count,
        0,
        chunk.size,
        seal is not None,
        chunk.key,
        content,
    )


def _read(sequence: int, id: int, done: int, sealed: int, content: bytes, seal: Seal | None) -> Chunk:
    """Return a chunk with the stanzas of a row."""
    stanzas = unpack(_opened(content, _place(id, sequence), sealed, seal))
    nobody = DomainPair(Domain(""), Domain(""))
    return Chunk(pair=nobody, sequence=sequence, accepted=0, expires=0, done=done, stanzas=stanzas)


def _opened(content: bytes, place: bytes, sealed: int, seal: Seal | None) -> bytes:
    if not sealed:
        return content
    if seal is None:
        raise WrongKey("sealed, and there is no key")
    return seal.open(content, place)


def _shown(content: bytes, place: bytes, sealed: int, seal: Seal | None) -> bytes:
    """Return the content as far as it can be shown to people: one unreadable stanza does not hide the others."""
    try:
        return _opened(content, place, sealed, seal)
    except WrongKey:
        return b""


def _opens(seal: Seal, sealed: bytes) -> bool:
    try:
        return seal.open(sealed, _KEY) == _KEY
    except WrongKey:
        return False


def _place(id: int, sequence: int) -> bytes:
    return b"chunk %d of %d" % (sequence, id)


def _aside_place(number: int) -> bytes:
    return b"aside %d" % number


def _withheld_place(number: int) -> bytes:
    return b"withheld %d" % number


def _withheld_stanza(row: tuple[Any, ...], seal: Seal | None) -> WithheldStanza:
    number, sender, target, accepted, expires, rule, sealed, content = row
    raw = _shown(content, _withheld_place(number), sealed, seal)
    pair = DomainPair(sender, target)
    return WithheldStanza(number=number, pair=pair, raw=raw, accepted=accepted, expires=expires, rule=rule)


def _settle(db: SqlConnection, settled: Mapping[int, int]) -> list[Gone]:
    """Do IOutbox.settle for many pairs, by the id of their rows: one statement costs hardly more than for one pair."""
    gone: list[Gone] = []
    unsplit = {(id, chunk_of(upto)[0]) for id, upto in settled.items()}
    ends = [(id, *chunk_of(upto)) for id, upto in settled.items()]
    for at in range(0, len(ends), _SETTLED_PAIRS):
        some = ends[at : at + _SETTLED_PAIRS]
        arguments = [each for id, sequence, place in some for each in (id, sequence, place + 1)]
        for id, sequence, live, size in db.execute(_SETTLE[len(some)], arguments).fetchall():
            gone.append(Gone(id, live, size))
            unsplit.discard((id, sequence))
    # The others end within a row, or that row is gone.
    for id, sequence, place in ends:
        if (id, sequence) in unsplit:
            gone += _mark(db, sequence, bits_upto(place), id)
    return gone


def _mark(db: SqlConnection, sequence: int, bits: int, of_pair: int | None = None) -> list[Gone]:
    """Record the end of some stanzas of a chunk, and delete the chunk when all have had theirs."""
    row = db.execute("SELECT pair, count, live, done, bytes FROM chunk WHERE sequence = ?", (sequence,)).fetchone()
    if row is None or of_pair not in (None, row[0]):
        return []
    id, count, live, done, size = row
    done |= bits & (1 << count) - 1
    left = count - done.bit_count()
    if left:
        db.execute("UPDATE chunk SET done = ?, live = ? WHERE sequence = ?", (done, left, sequence))
        return [Gone(id, live - left, 0)]
    db.execute("DELETE FROM chunk WHERE sequence = ?", (sequence,))
    return [Gone(id, live, size)]


def _add_aside(db: SqlConnection, row: tuple[Any, ...], limits: OutboxLimits) -> None:
    db.execute("DELETE FROM aside WHERE number = ?", row[:1])
    db.execute("INSERT INTO aside VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    db.execute(
        "DELETE FROM aside WHERE number <= (SELECT number FROM aside ORDER BY number DESC LIMIT 1 OFFSET ?)",
        (limits.aside,),
    )


def _forget_usual(db: SqlConnection, domain: Domain) -> None:
    db.execute("DELETE FROM domain WHERE name = ? AND NOT held AND failures = 0", (domain,))


def _pairs(db: SqlConnection, domain: Domain | None = None) -> list[PairState]:
    which = "" if domain is None else " WHERE target = ?"
    rows = db.execute(
        "SELECT sender, target, sum(live), sum(bytes), min(accepted) FROM pair JOIN chunk ON chunk.pair = pair.id"
        f"{which} GROUP BY pair.id, sender, target",
        () if domain is None else (domain,),
    )
    return [
        PairState(pair=DomainPair(sender, target), stanzas=stanzas, bytes=size, oldest=oldest)
        for sender, target, stanzas, size, oldest in rows
    ]
