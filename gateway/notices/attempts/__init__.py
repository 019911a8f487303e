"""Attempts: records of each incoming or outgoing stream, as steps with one verdict.

records.py     the steps of one attempt, and its end
stream_log.py  StreamLog: writes these records while a stream lives
verdicts.py    the ways an attempt can end, with the side at fault and the remedy: a table
narration.py   from the events of a stream to steps
proofs.py      what each side has proved to the other
known_keys.py  the keys that other domains have used
elsewhere.py   why the last attempts between two domains failed
reference.py   docs/troubleshooting.md, made from the verdicts
"""
