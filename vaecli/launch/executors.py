"""The only place that knows where tasks run: in worker processes of this machine, or on a scheduler's workers."""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NamedTuple

from vaecli.errors import RunError, shut
from vaecli.launch.pool import Pool

CONNECT_SECONDS = 8
CLOSE_SECONDS = ANSWER_SECONDS = 2
LOGGERS = ("distributed", "distributed.client", "tornado", "tornado.application")


class Workers(NamedTuple):
    """An Executor, and whether it has workers to run its tasks."""

    executor: Executor
    lacking: Callable[[], tuple[float, str] | None] = lambda: None  # since when (monotonic) it waits, and what for


@contextlib.contextmanager
def open_pool(jobs: int, folder: Path, **options: Any) -> Iterator[Workers]:
    """Opens a pool of `jobs` processes of this machine; several have one thread each. Takes the options of Pool."""
    threads = {"OMP_NUM_THREADS": "1"} if jobs > 1 else {}
    pool = Pool(jobs, folder, settings=threads, **options)
    try:
        yield Workers(pool, pool.lacking)
    finally:
        pool.shutdown(wait=False)


@contextlib.contextmanager
def open_cluster(scheduler: str) -> Iterator[Workers]:
    """The workers of a dask scheduler.

    Args:
        scheduler: an address such as tcp://host:8786, or the path of a scheduler file.

    Raises:
        RunError: the scheduler cannot be reached.
    """
    _quieten()
    from distributed import Client

    scheduler = os.path.expanduser(scheduler)
    where: dict[str, str] = {"address": scheduler}
    if "://" not in scheduler and (reason := shut(scheduler)):
        raise RunError(f"--scheduler {scheduler}: {reason}")
    if "://" not in scheduler and Path(scheduler).exists():
        where = {"scheduler_file": scheduler}
    elif "://" not in scheduler and ":" not in scheduler:
        raise RunError(f"--scheduler {scheduler}: neither an address such as tcp://host:8786 nor a scheduler file")
    try:
        client = Client(**where, timeout=CONNECT_SECONDS, name="vaecli", set_as_default=False)
    except Exception as error:  # what answers at that address may not be a scheduler
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(
            f"--scheduler {scheduler}: cannot be reached ({reason}); `dask scheduler` starts one, "
            "`dask worker ADDRESS --nthreads 1` gives it workers"
        ) from None
    try:
        yield Workers(client.get_executor(pure=False), Lacking(client))
    finally:
        with contextlib.suppress(Exception):  # a scheduler that is gone cannot be closed
            client.close(timeout=CLOSE_SECONDS)


class Lacking:
    """Asks a scheduler whether it has workers."""

    def __init__(self, client: Any) -> None:
        self._client, self._address = client, client.scheduler.address
        self._since: float | None = None

    def __call__(self) -> tuple[float, str] | None:
        try:
            found = self._client.sync(self._client.scheduler.ncores, callback_timeout=ANSWER_SECONDS)
        except Exception:  # however the connection broke
            found = None
        if found:
            self._since = None
            return None
        self._since = time.monotonic() if self._since is None else self._since
        return self._since, f"workers at {self._address}" if found is not None else f"the scheduler at {self._address}"


def _quieten() -> None:
    """Silences dask's loggers: what matters is reported with the run that it concerns."""
    import distributed  # noqa: F401  # sets its loggers' levels when it is imported

    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
