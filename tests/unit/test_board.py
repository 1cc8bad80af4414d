"""What the processes of a server share: slots that are taken over, pulses, and directories that do not stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from scimsrv import board as module
from scimsrv.board import Board, shared_board


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_place", lambda: tmp_path)


def test_each_process_has_a_slot_for_as_long_as_it_lives() -> None:
    """Slots are held by their processes; that of one that died is the next one's."""
    with shared_board() as board:
        first, name = board.claim()
        second, other = board.claim()
        assert (name, other) == ("0", "1")
        first.beat()
        second.beat()
        assert sorted(board.beats()) == sorted([first.last, second.last])
        first.close()
        assert board.beats() == [second.last]
        third, again = board.claim()
        assert again == "0"
        assert board.beats() == [second.last]
        third.beat()
        assert sorted(board.beats()) == sorted([second.last, third.last])
        second.close()
        third.close()


def test_gauges_of_the_dead_are_forgotten() -> None:
    """What was in progress in a process that died is not counted, before and after another has taken its slot; its counters stay."""
    with shared_board() as board:
        assert board.directory is not None
        pulse, _ = board.claim()
        gauge, counter = board.directory / "gauge_livesum_0.db", board.directory / "counter_0.db"
        for path in (gauge, counter):
            path.touch()
        board.forget_dead()
        assert gauge.exists()
        pulse.close()
        board.forget_dead()
        assert not gauge.exists()
        gauge.touch()
        held, _ = board.claim()
        assert not gauge.exists()
        assert counter.exists()
        assert held.last == 0.0
        held.close()


def test_directories_go_with_their_servers(tmp_path: Path) -> None:
    """A server leaves nothing; what one that was killed has left goes when the next one starts, and nobody else's does."""
    killed = tmp_path / "scimsrv-killed"
    killed.mkdir()
    (killed / "held").touch()
    with shared_board() as first:
        assert not killed.exists()
        with shared_board() as second:
            assert first.directory is not None
            assert first.directory.exists()
            assert second.directory != first.directory
    assert list(tmp_path.iterdir()) == []


def test_one_process_needs_no_directory() -> None:
    """Alone, a process keeps its pulse in memory."""
    board = Board(None)
    pulse, name = board.claim()
    assert (board.beats(), name, board.tenants) == ([], "0", None)
    pulse.beat()
    assert board.beats() == [pulse.last]
    board.forget_dead()
