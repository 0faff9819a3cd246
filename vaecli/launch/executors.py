"""The one place that knows where tasks run: in this process, in a local dask cluster, or in the user's."""

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from vaecli.errors import RunError

CONNECT_SECONDS = 8
SETTINGS = {
    # dask's own has glibc give memory back at once, which made a training take half as long again.
    "distributed.nanny.pre-spawn-environ": {"OMP_NUM_THREADS": 1},
    # It looks at every thread's stack each 10 ms, and keeps what it saw: 78 MB of TensorFlow's imports alone.
    "distributed.worker.profile.enabled": False,
}
LOGGERS = ("distributed", "distributed.client", "tornado", "tornado.application")


@contextlib.contextmanager
def open_executor(jobs: int | None, scheduler: str | None) -> Iterator[Executor]:
    """A thread of this process, or so many processes, or the workers of a scheduler.

    Args:
        jobs: processes; None: none but this one.
        scheduler: an address such as tcp://host:8786, or the path of a scheduler file.

    Raises:
        RunError: the scheduler cannot be reached, or a local cluster cannot be started.
    """
    if scheduler is None and jobs is None:
        executor: Executor = ThreadPoolExecutor(1, "run")
        try:
            yield executor
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
        return
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(_theirs(scheduler) if scheduler else _local(jobs or 1))
        yield client.get_executor(pure=False)


@contextlib.contextmanager
def _local(jobs: int) -> Iterator[Any]:
    """Worker processes of one thread each, restarted if they die."""
    _quieten()
    import dask
    from distributed import Client, LocalCluster

    with contextlib.ExitStack() as stack:
        # A task may meet all workers when each has trained enough, and such an end is no failure of the task.
        patience = {"distributed.scheduler.allowed-failures": 3 + jobs}
        stack.enter_context(dask.config.set({**SETTINGS, **patience}))
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="vaecli-", ignore_cleanup_errors=True))
        cluster = stack.enter_context(
            LocalCluster(
                n_workers=jobs,
                threads_per_worker=1,
                processes=True,
                memory_limit=0,
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
                local_directory=scratch,
                preload=["vaecli.launch.worker"],
            )
        )
        yield stack.enter_context(Client(cluster))


@contextlib.contextmanager
def _theirs(scheduler: str) -> Iterator[Any]:
    _quieten()
    from distributed import Client

    where: dict[str, str] = {"address": scheduler}
    if "://" not in scheduler and Path(scheduler).exists():
        where = {"scheduler_file": scheduler}
    elif "://" not in scheduler and ":" not in scheduler:
        raise RunError(f"--scheduler {scheduler}: neither an address such as tcp://host:8786 nor a scheduler file")
    try:
        client = Client(**where, timeout=CONNECT_SECONDS, name="vaecli")
    except Exception as error:  # whatever answers at that address need not be a scheduler
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(
            f"--scheduler {scheduler}: cannot be reached ({reason}); `dask scheduler` starts one, "
            "`dask worker ADDRESS --nthreads 1` gives it workers"
        ) from None
    with client:
        yield client


def _quieten() -> None:
    """What dask has to say is said by the run that it concerns."""
    import distributed  # noqa: F401  # sets its loggers' levels when it is imported

    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
