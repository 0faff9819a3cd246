"""Run folders: one class that knows every file, and functions that find them."""

from vaecli.runs.find import all_runs, find_run, find_runs, newest_finished
from vaecli.runs.identity import but_for_the_seed, run_name
from vaecli.runs.run import Run

__all__ = ["Run", "all_runs", "but_for_the_seed", "find_run", "find_runs", "newest_finished", "run_name"]
