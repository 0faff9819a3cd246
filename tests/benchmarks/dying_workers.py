"""Workers that cannot live, and signals in every phase: does a comparison end by itself, and tidily?

    python tests/benchmarks/dying_workers.py [--repeats 20] [--signals 10] [--folder FOLDER] [--only storms|signals]

`vaecli compare` on the bundled digits. A storm kills every local worker as it appears, for fifteen seconds, in the
middle of a comparison. SIGTERM and SIGINT come at a random moment of each phase: the plan, the start of the workers,
the runs, the report. Asked of each: a right exit code in time, no traceback, all runs finished or a line for each that
is not, and nothing left in the folder of temporary files or of a launch.

Results are kept in FOLDER/results.json as they come; the same command goes on where it was stopped. The default ends
within 25 minutes and says how much is left. Prints the tally; exits with 1 if one ended wrongly.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from vaecli.runs import all_runs

METHODS = ("gumbel", "vqvae", "straight_through")
SETTINGS = ("data=digits", "network.hidden=[16]", "training.checkpoint_seconds=0.2")
STORM_SECONDS = 15.0
STORM_EPOCHS, EPOCHS = 150, 20
END_SECONDS = {"storm": 240.0, "signal": 15.0}  # by when it must have ended after that
PHASES = ("plan", "start", "run", "report")
CODES = {"SIGINT": 130, "SIGTERM": 143}
MINUTES = 25.0


class Case(NamedTuple):
    """One thing to try."""

    kind: str  # "storm", or a phase
    signal: str
    number: int

    @property
    def name(self) -> str:
        return "-".join(map(str, filter(lambda part: part != "", self)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20, help="storms")
    parser.add_argument("--signals", type=int, default=10, help="of each kind in each phase")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "vaecli-dying-workers")
    parser.add_argument("--only", choices=["storms", "signals"])
    args = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # children of a background job would ignore it
    args.folder.mkdir(parents=True, exist_ok=True)
    kept = args.folder / "results.json"
    results: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    cases = list(_cases(args.repeats, args.signals, args.only))
    print(f"{len(cases)} cases, {sum(case.name in results for case in cases)} of them in {kept}", flush=True)
    end = time.monotonic() + 60 * MINUTES
    finished = None
    for case in cases:
        if case.name in results:
            continue
        if time.monotonic() > end:
            print(f"{MINUTES:.0f} minutes are over: the same command resumes", flush=True)
            break
        finished = finished or _finished(args.folder / "finished")
        results[case.name] = result = _storm(case) if case.kind == "storm" else _signalled(case, finished)
        kept.write_text(json.dumps(results, indent=1))
        print(f"{case.name:20} {'; '.join(result['wrong']) or 'well'}, {result['seconds']:.1f} s", flush=True)
    sys.exit(_tally({case: results[case.name] for case in cases if case.name in results}, len(cases)))


def _cases(storms: int, signals: int, only: str | None) -> Iterator[Case]:
    if only != "storms":
        for number in range(signals):
            yield from (Case(phase, name, number) for phase in PHASES for name in CODES)
    if only != "signals":
        yield from (Case("storm", "", number) for number in range(storms))


class Comparison:
    """A `vaecli compare` with a folder of its own for outputs and one for temporary files, and what it said."""

    def __init__(self, folder: Path, epochs: int, outputs: Path | None = None) -> None:
        self.outputs = outputs or folder / "outputs"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        settings = [part for setting in SETTINGS for part in ("--set", setting)]
        command = [sys.executable, "-m", "vaecli", "compare", *METHODS, *settings, "--epochs", str(epochs)]
        self.process = subprocess.Popen(
            [*command, "--jobs", "2", "--output-dir", str(self.outputs)],
            cwd=folder,
            env={**os.environ, "TMPDIR": str(self.temporary)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.said += self.process.stderr  # line by line, as they come

    def until(self, reached: Callable[[], bool]) -> None:
        while not reached() and self.process.poll() is None:
            time.sleep(0.005)

    def answers_signals(self) -> bool:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)

    def launched(self) -> bool:
        return any(self.outputs.glob(".launch-*"))

    def wait(self, seconds: float) -> list[str]:
        """What is wrong with its end, but for the exit code."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return [f"not ended after {seconds:.0f} s"]
        self._reader.join(5)
        wrong = ["a traceback"] if any("Traceback" in line or "Error:" in line for line in self.said) else []
        left = [path.name for path in self.temporary.iterdir()]
        left += [path.name for path in self.outputs.glob(".launch-*")]
        return wrong + ([f"left behind: {', '.join(left)}"] if left else [])


def _children(pid: int) -> set[int]:
    try:
        listed = [Path(f"/proc/{pid}/task/{task}/children").read_text() for task in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return set()
    return {int(child) for children in listed for child in children.split()}


def _storm(case: Case) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(Path(folder), STORM_EPOCHS)
        comparison.until(lambda: any("epoch " in line for line in comparison.said))
        killed, start = 0, time.monotonic()
        while time.monotonic() - start < STORM_SECONDS and comparison.process.poll() is None:
            for child in _children(comparison.process.pid):
                try:
                    os.kill(child, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                killed += 1
            time.sleep(0.02)
        wrong = comparison.wait(END_SECONDS["storm"])
        code, seconds = comparison.process.returncode, time.monotonic() - start
        finished = sum(run.finished for run in all_runs(comparison.outputs))
        failed = sum(": failed: " in line for line in comparison.said)
        if code not in (0, 3) or (code == 3) != (failed > 0) or finished + failed < len(METHODS):
            wrong.append(f"exit code {code} with {finished} finished and {failed} failed")
        said = [line for line in comparison.said if line.startswith(("waiting", "no worker")) or ": failed: " in line]
    return {"wrong": wrong, "seconds": seconds, "killed": killed, "finished": finished, "failed": failed, "said": said}


def _finished(folder: Path) -> Path:
    """The outputs of the runs of a comparison that is finished, for those that only report."""
    if not (folder / "done").exists():
        with tempfile.TemporaryDirectory() as own:
            Comparison(Path(own), EPOCHS, folder / "outputs").process.wait()
        (folder / "done").touch()
    return folder / "outputs"


def _signalled(case: Case, finished: Path) -> dict[str, Any]:
    """Sends the signal at a random moment of the phase; the report begins when nothing is left to train."""
    moment = random.Random(case.name)
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder) / "outputs"
        if case.kind == "report":
            subprocess.run(["cp", "-r", str(finished), str(outputs)], check=True)
            for old in outputs.glob("compare-*"):
                subprocess.run(["rm", "-r", str(old)], check=True)
        comparison = Comparison(Path(folder), EPOCHS if case.kind == "report" else 100_000, outputs)
        match case.kind:
            case "plan":
                comparison.until(comparison.answers_signals)  # before that Python itself is not up
                time.sleep(moment.uniform(0, 1))
            case "start":
                comparison.until(comparison.launched)
                time.sleep(moment.uniform(0, 4))
            case "run":
                comparison.until(lambda: any("epoch " in line for line in comparison.said))
                time.sleep(moment.uniform(0, 2))
            case "report":
                comparison.until(lambda: any(" runs: " in line for line in comparison.said))
                time.sleep(moment.uniform(0, 0.5))
        ended_before = comparison.process.poll() is not None
        start = time.monotonic()
        comparison.process.send_signal(getattr(signal, case.signal))
        wrong = comparison.wait(END_SECONDS["signal"])
        code = comparison.process.returncode
        if code != CODES[case.signal] and not (ended_before and code == 0):
            wrong.append(f"exit code {code}, not {CODES[case.signal]}")
        said = comparison.said[-3:]
    return {"wrong": wrong, "seconds": time.monotonic() - start, "too_late": ended_before, "said": said}


def _tally(results: dict[Case, Any], asked: int) -> int:
    for kind in ("storm", *PHASES):
        of_kind = {case: result for case, result in results.items() if case.kind == kind}
        for name in sorted({case.signal for case in of_kind}):
            found = [result for case, result in of_kind.items() if case.signal == name]
            wrong = sum(bool(result["wrong"]) for result in found)
            line = (
                f"{kind} {name:8} {len(found):3} tried, {wrong} wrong, at most {max(r['seconds'] for r in found):.1f} s"
            )
            if kind == "storm":
                totals = [sum(result[key] for result in found) for key in ("killed", "finished", "failed")]
                line += ", {} workers killed, {} runs finished, {} failed".format(*totals)
            print(line)
    print(f"{len(results)} of {asked} cases tried")
    return 1 if any(result["wrong"] for result in results.values()) else 0


if __name__ == "__main__":
    main()
