"""The benchmarks' own arithmetic, the bytes that they send, and one small run of all of it."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.arena import Arena, Scale
from benchmarks.earlier import known
from benchmarks.figures import OURS, Figure, Row, Series, percentile, turns
from benchmarks.load.remote import Remote, RemoteFailure
from benchmarks.profile import top
from benchmarks.run import Run
from benchmarks.table import document, number, render
from benchmarks.traffic import MARKER, MESSAGE_BYTES, WRITE_BYTES, Cut, Kind, MarkerCount, Traffic, addresses, stamped
from benchmarks.workloads import WORKLOADS
from benchmarks.workloads.passing import ServerToComponent

CPU = Figure(key="cpu", title="CPU", unit="µs", target=0.2)
RATE = Figure(key="rate", title="rate", unit="stanzas/s", more_is_better=True)
GROWTH = Figure(key="growth", title="growth", unit="times", limit=1.3)


def row(figure: Figure, **medians: float) -> Row:
    series = {name: Series(values=[median]) for name, median in medians.items()}
    return Row(workload="work", title="some work", figure=figure, series=series)


class TestFigures:
    def test_a_series_is_known_by_its_median_and_how_far_the_rounds_are_apart(self) -> None:
        series = Series(values=[10, 30, 11])
        assert (series.median, series.least, series.largest) == (11, 10, 30)
        assert series.spread == pytest.approx(20 / 11)

    def test_the_ratio_is_to_the_better_of_the_others(self) -> None:
        assert row(CPU, gateway=8, prosody=80, ejabberd=40).ratio == pytest.approx(0.2)
        assert row(RATE, gateway=100, prosody=20, ejabberd=25).ratio == pytest.approx(4)

    def test_an_earlier_state_of_ours_is_compared_with_by_itself(self) -> None:
        both = row(CPU, gateway=8, before=10, prosody=80)
        assert (both.ratio, both.change) == (pytest.approx(0.1), pytest.approx(0.8))
        assert row(CPU, gateway=8, prosody=80).change is None
        assert "ours/before" in render([both], ["gateway", "prosody", "before"])
        assert "ours/before" not in render([both], ["gateway", "prosody"])

    def test_an_earlier_state_is_not_told_the_keys_that_it_does_not_know(self) -> None:
        settings = {"peers": {"any": {"keep": "no", "direct_tls": True}}, "dns": {"hosts_file": "x"}, "log": {}}
        assert known(settings, ("peers.*.keep", "dns.hosts_file")) == {
            "peers": {"any": {"direct_tls": True}},
            "dns": {},
            "log": {},
        }

    def test_without_ours_or_without_others_there_is_no_ratio(self) -> None:
        assert row(CPU, gateway=8).ratio is None
        assert row(CPU, prosody=8, ejabberd=4).ratio is None

    @pytest.mark.parametrize(
        ("figure", "ours", "met"), [(CPU, 8, True), (CPU, 8.1, False), (RATE, 1, None), (GROWTH, 1.4, False)]
    )
    def test_targets_are_ratios_and_limits_are_values_of_ours(self, figure: Figure, ours: float, met: bool) -> None:
        assert row(figure, gateway=ours, prosody=40).meets_target is met

    def test_a_percentile_is_one_of_the_values(self) -> None:
        values = range(1000, 0, -1)
        assert (percentile(values, 0.5), percentile(values, 0.99), percentile([3], 0.99)) == (501, 991, 3)

    def test_the_servers_take_turns_and_the_last_of_a_round_is_the_first_of_the_next(self) -> None:
        assert list(turns(["a", "b"], 3)) == [(0, "a"), (0, "b"), (1, "b"), (1, "a"), (2, "a"), (2, "b")]


class TestTraffic:
    def test_messages_have_the_size_that_is_told(self) -> None:
        stanzas = list(self.traffic(count=200).stanzas())
        assert {len(stanza) for stanza in stanzas} == {MESSAGE_BYTES}

    def test_a_mix_has_all_kinds_and_sizes(self) -> None:
        stanzas = list(self.traffic(count=2000, kind=Kind.MIX).stanzas())
        assert {ElementTree.fromstring(stanza).tag for stanza in stanzas} == {"message", "presence", "iq"}
        assert min(map(len, stanzas)) >= 200
        assert max(map(len, stanzas)) == 4096
        assert 600 < sum(map(len, stanzas)) / len(stanzas) < 750

    @pytest.mark.parametrize("kind", [Kind.MESSAGES, Kind.MIX])
    def test_each_stanza_holds_one_marker(self, kind: Kind) -> None:
        assert {stanza.count(MARKER) for stanza in self.traffic(count=200, kind=kind).stanzas()} == {1}

    @pytest.mark.parametrize("cut", Cut)
    def test_however_they_are_cut_the_bytes_are_the_same(self, cut: Cut) -> None:
        assert b"".join(self.traffic(cut=cut).writes()) == b"".join(self.traffic().stanzas())

    def test_writes_of_whole_stanzas_are_whole_and_large(self) -> None:
        writes = list(self.traffic(count=200).writes())
        assert all(write.startswith(b"<message ") and write.endswith(b"</message>") for write in writes)
        assert all(WRITE_BYTES - MESSAGE_BYTES < len(write) <= WRITE_BYTES for write in writes[:-1])

    def test_a_huge_stanza_is_one_stanza_with_its_marker_near_the_end(self) -> None:
        [stanza] = self.traffic(count=1, kind=Kind.HUGE, size=50_000).stanzas()
        assert len(stanza) == 50_000
        assert stanza.index(MARKER) > 49_900

    def test_recipients_in_turn_are_all_written_to(self) -> None:
        everybody = addresses("b.test", 30)
        stanzas = self.traffic(count=30, recipients=everybody, in_turn=True).stanzas()
        assert [ElementTree.fromstring(stanza).get("to") for stanza in stanzas] == everybody

    def test_markers_are_counted_once_however_the_bytes_arrive(self) -> None:
        data = b"".join(self.traffic(count=50).stanzas())
        for size in (1, 5, 7, 1000, len(data)):
            count = MarkerCount(MARKER)
            assert sum(count.more(data[start : start + size]) for start in range(0, len(data), size)) == 50

    def test_a_stamp_stands_behind_the_marker(self) -> None:
        assert b"id='bench-12345-0'" in stamped(next(iter(self.traffic().stanzas())), 12345)

    @staticmethod
    def traffic(**how: object) -> Traffic:
        given = {"count": 60, "senders": addresses("a.test"), "recipients": addresses("b.test"), **how}
        return Traffic(**given)  # type: ignore[arg-type]


class TestRemote:
    def test_what_is_called_happens_in_another_process_and_is_timed_there(self) -> None:
        with Remote(list, [3, 1, 2]) as remote:
            remote.begin("sort")
            answer = remote.collect()
            assert answer.seconds >= 0
            assert remote.call("index", 3) == 2

    def test_a_failure_over_there_is_one_here_and_tells_why(self) -> None:
        with Remote(list) as remote, pytest.raises(RemoteFailure, match=r"pop from empty list"):
            remote.call("pop")


class TestTable:
    rows = [row(CPU, gateway=8, prosody=80.4), row(GROWTH, gateway=1.5)]

    def test_it_has_a_line_for_each_figure_with_ratio_and_verdict(self) -> None:
        headings, first, second = render(self.rows, ["gateway", "prosody"]).splitlines()
        assert " ".join(headings.split()) == "workload figure unit gateway prosody ours/better target"
        assert " ".join(first.split()) == "some work CPU µs 8.00 (8.00-8.00) 80.4 (80.4-80.4) 0.10 <= 0.20 met"
        assert " ".join(second.split()) == "growth times 1.50 (1.50-1.50) - gateway <= 1.30 missed"

    def test_the_document_has_every_round(self) -> None:
        figures = json.loads(document(self.rows, rounds=1))["figures"]
        assert [figure["figure"] for figure in figures] == ["cpu", "growth"]
        assert figures[0]["servers"]["prosody"]["rounds"] == [80.4]
        assert (figures[0]["ratio"], figures[0]["meets_target"]) == (pytest.approx(8 / 80.4), True)

    @pytest.mark.parametrize(("value", "shown"), [(0, "0"), (3.14159, "3.14"), (42.19, "42.2"), (98765.4, "98,765")])
    def test_numbers_have_three_digits_that_mean_something(self, value: float, shown: str) -> None:
        assert number(value) == shown


def test_the_list_of_a_profile_tells_time_spent_in_a_function_from_time_spent_below_it() -> None:
    listing = top(["main (a.py:1);work (b.py:2) 3", "main (a.py:9);work (b.py:7);rest (c.py:1) 1"])
    assert [line.split() for line in listing.splitlines()[1:]] == [
        ["75.0%", "100.0%", "work", "b.py"],
        ["25.0%", "25.0%", "rest", "c.py"],
    ]


def test_the_keys_of_workloads_and_figures_are_unique() -> None:
    assert len({kind.key for kind in WORKLOADS}) == len(WORKLOADS)
    for kind in WORKLOADS:
        assert len({figure.key for figure in kind.figures}) == len(kind.figures)


def test_a_small_run_measures_the_gateway(tmp_path: Path) -> None:
    told: list[str] = []
    with Arena(tmp_path, [OURS], Scale(stanzas=50, streams=2, handshakes=2)) as arena:
        rows = {
            row.figure.key: row for row in Run(workloads=[ServerToComponent], rounds=2, tell=told.append).rows(arena)
        }
    assert len(rows["cpu"].series[OURS].values) == 2
    assert rows["cpu"].series[OURS].least > 0
    assert rows["load"].series[OURS].least > 0
    assert len(told) == 3
