"""The operator's view: log, metrics, status, control socket, page.

Readers of notices:

log.py               lines for people or programs
history.py           the last attempts with each domain
fates.py             for each domain: its open streams, whether it fails, why and since when
minutes.py           the last day by the minute
tally.py             stanzas and their bytes since the start
metrics.py           counters and gauges for Prometheus
outbox_events.py     what happened to waiting stanzas
known_keys_file.py   the keys of other domains, on disk

The present state:

status.py            the state at one moment; status_records.py: its records
census.py            all connections, counted
peers.py             other domains, those in trouble first
troubles.py          what does not work, and since when
findings.py          where troubles come from
ages.py              since when the oldest stanza waits
lag.py               how late the event loop is
rounds.py            checks that run every few seconds
supervision.py       reports to systemd

control/             the control socket, for commands
http/                the http port, for browsers, monitors and Prometheus
"""
