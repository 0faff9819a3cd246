"""The machine's limit: only the matrix products of an epoch, forward and backward.

No float32 training of this model can be much faster on this machine. Timed in NumPy and, where it is
installed, in PyTorch; the faster of the two is reported.
"""

import os
import sys
import time
from collections.abc import Callable

from sizes import PIXELS, SIZES, Size, parse_arguments, print_result


def operands(size: Size, x):
    """(a, b, result) of every product of one step; `x` is the batch of images."""
    import numpy as np

    random = np.random.default_rng(0)
    for number, (inputs, outputs) in enumerate(size.encoder + size.decoder):
        if number:
            x = random.random((size.batch, inputs), dtype=np.float32)
        w = random.standard_normal((inputs, outputs), dtype=np.float32)
        g = random.standard_normal((size.batch, outputs), dtype=np.float32)
        yield x, w, np.empty_like(g)
        yield x.T, g, np.empty_like(w)
        if number:  # the images need no gradient
            yield g, w.T, np.empty_like(x)


def time_epochs(matmul: Callable, products: list, steps: int, epochs: int) -> list[float]:
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        for _ in range(steps):
            for a, b, result in products:
                matmul(a, b, out=result)
        seconds.append(time.perf_counter() - start)
    return seconds


def main() -> None:
    args = parse_arguments(__doc__)
    os.environ.pop("OPENBLAS_CORETYPE", None)  # kernels pinned for an older processor would hide the limit
    if args.threads:
        os.environ["OPENBLAS_NUM_THREADS"] = str(args.threads)
    import numpy as np  # OpenBLAS reads these settings once, here

    size = SIZES[args.size]
    images = np.load(args.data)["x_train"].reshape(-1, PIXELS)
    steps = len(images) // size.batch
    products = list(operands(size, images[: size.batch].astype(np.float32) / 255))

    trials = {"numpy": time_epochs(np.matmul, products, steps, args.epochs)}
    try:
        import torch
    except ImportError:
        pass
    else:
        if args.threads:
            torch.set_num_threads(args.threads)
        tensors = [tuple(map(torch.from_numpy, product)) for product in products]
        trials["torch"] = time_epochs(torch.mm, tensors, steps, args.epochs)
    fastest = min(trials, key=lambda library: min(trials[library]))
    print(f"fastest: {fastest}", file=sys.stderr)
    print_result("matrix products alone", trials[fastest], None, steps, size.batch)


if __name__ == "__main__":
    main()
