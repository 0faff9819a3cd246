"""What some file systems (CIFS, FUSE, NFS) cannot do is done without; what goes wrong is an error as ever."""

import contextlib
import errno
from collections.abc import Iterator

UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@contextlib.contextmanager
def where_supported(*more: int) -> Iterator[None]:
    """Inside, the answer of a file system that has no such thing is no error.

    Args:
        more: numbers of errors that mean the same of the call at hand.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (*UNSUPPORTED, *more):
            raise
