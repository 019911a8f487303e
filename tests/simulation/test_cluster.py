"""Faults of every kind on a simulated cluster: takeover in time, never two owners, every domain found."""

from __future__ import annotations

import os

import pytest

from tests.simulation.cluster import Result, simulate


def check(result: Result, faults_at_least: int) -> None:
    assert len(result.takeovers) >= faults_at_least
    assert max(result.takeovers) <= 15
    assert result.double_owners == 0
    assert result.lost_places == 0
    assert result.writes_idle <= result.nodes / 3 + 1, "one write in three seconds for each node, whatever it serves"


@pytest.mark.parametrize("seed", [1, 2])
def test_a_small_cluster_survives_faults_of_every_kind(seed: int) -> None:
    check(simulate(nodes=8, domains=300, faults=8, seed=seed), 4)


@pytest.mark.soak
def test_a_hundred_nodes_with_a_hundred_thousand_domains_survive_faults() -> None:
    check(simulate(nodes=100, domains=100_000, faults=4, seed=int(os.environ.get("FAULTS_SEED", "1"))), 1)
