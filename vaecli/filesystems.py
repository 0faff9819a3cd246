"""Tolerates operations that some file systems (CIFS, FUSE, NFS) do not support; all other errors are raised."""

import contextlib
import errno
from collections.abc import Iterator

UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@contextlib.contextmanager
def where_supported(*more: int) -> Iterator[None]:
    """A context in which an operation that the file system does not support is no error.

    Args:
        more: further error numbers that mean "not supported" for this call.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (*UNSUPPORTED, *more):
            raise
