"""The bench runs: its smallest form starts real servers, measures, and prints a table. No timing decides."""

import json
import subprocess
import sys
from pathlib import Path

from bench.client import NUMBER, numbered
from bench.question import Goal, Unit

ROOT = Path(__file__).resolve().parents[2]


def test_the_quick_bench_prints_a_table(tmp_path: Path) -> None:
    """`python -m bench --quick --only get` answers the question with a line per comparison, on the screen and as JSON."""
    result = tmp_path / "results" / "bench.json"
    command = [sys.executable, "-m", "bench", "--quick", "--only", "get", "--json", str(result)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    head, rule, *lines = run.stdout.splitlines()
    assert head.split() == ["question", "ours", "ceiling", "ratio", "(min-max)", "goal", "verdict"]
    assert set(rule) == {"-"}
    assert [line.split("  ")[0] for line in lines] == ["GET user by id", "GET user by id"]
    assert all(line.split()[-1] in {"PASS", "FAIL"} for line in lines)
    rows = json.loads(result.read_text(encoding="utf-8"))["rows"]
    assert [row["against"] for row in rows] == ["bare", "scim2-server"]
    assert all(row["ours"] > 0 and row["lowest"] <= row["ratio"] <= row["highest"] for row in rows)


def test_awards_are_counted_until_they_are_signed() -> None:
    """`python -m bench.awards` prints awards and signatures per second of as many awards as are asked for."""
    command = [sys.executable, "-m", "bench.awards", "--awards", "3", "--alg", "ES256"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    awarded, signed = run.stdout.splitlines()
    assert awarded.startswith("3 awards in ")
    assert awarded.endswith(" awards/s")
    assert signed.startswith("3 credentials signed (ES256) in ")
    assert signed.endswith(" signed/s")


def test_goals_read_in_their_direction() -> None:
    """Throughput has to reach its goal, latency must not exceed it."""
    assert [Goal(0.8, Unit.PER_SECOND).met(ratio) for ratio in (0.79, 0.8, 1.2)] == [False, True, True]
    assert [Goal(2.0, Unit.MILLISECONDS).met(ratio) for ratio in (1.9, 2.0, 2.1)] == [True, True, False]


def test_a_number_keeps_the_length_of_a_request() -> None:
    """Content-Length is computed before the number is filled in, so both have one length."""
    request = b"before " + NUMBER + b" after " + NUMBER
    assert numbered(request, 7) == b"before 00000007 after 00000007"
    assert len(numbered(request, 12_345_678)) == len(request)


def test_writing_with_the_trail_is_compared_with_writing_without() -> None:
    """`python -m bench.trail` prints a line with both rates and their ratio for each kind of creation."""
    command = [sys.executable, "-m", "bench.trail", "--seconds", "0.1", "--rounds", "2", "--users", "3"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    head, *lines = run.stdout.splitlines()
    assert head.split() == ["without", "with", "ratio"]
    assert [line.split("  ")[0] for line in lines] == ["POST", "/Bulk of 50"]
    assert all(float(line.split("/s")[2].split()[0]) > 0 for line in lines)
