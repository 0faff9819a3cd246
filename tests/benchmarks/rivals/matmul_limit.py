"""The machine's limit: only the products of an epoch, of matrices or convolutions, forward and backward.

No training of this model in this precision can be much faster on this machine. Matrices are timed in NumPy and, where
it is installed, in PyTorch, convolutions in PyTorch with channels_last; bfloat16 is PyTorch's alone.
"""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from sizes import GRID, PIXELS, SIDE, SIZES, Size, batch_size, parse_arguments, print_result, read_images


def operands(size: Size, x: Any) -> Iterator[tuple[Any, Any, Any]]:
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


def matrices(size: Size, x: Any, *, torch: Any, bfloat16: bool) -> Iterator[Callable[[], None]]:
    """Functions that compute the products of one step, one for each library."""
    import numpy as np

    products = list(operands(size, x))

    def step_in(matmul: Callable, products: list) -> Callable[[], None]:
        def step() -> None:
            for a, b, result in products:
                matmul(a, b, out=result)

        return step

    if not bfloat16:
        yield step_in(np.matmul, products)
    if torch:
        kind = torch.bfloat16 if bfloat16 else torch.float32
        yield step_in(torch.mm, [tuple(torch.from_numpy(array).to(kind) for array in product) for product in products])


def convolutions(*, torch: Any, bfloat16: bool) -> Callable[[], None]:
    """A function that computes the convolutions of one step, each with its gradients."""
    kind = torch.bfloat16 if bfloat16 else torch.float32
    (first, second), width, half = GRID.channels, GRID.width, SIDE // 2
    shapes = [  # transposed, inputs, channels, side, kernel, stride
        *((False, 1, first, SIDE, 3, 2), (False, first, second, half, 3, 2), (False, second, width, half // 2, 1, 1)),
        *((True, width, second, half // 2, 3, 2), (True, second, first, half, 3, 2), (False, first, 1, SIDE, 3, 1)),
    ]
    found = []
    for place, (transposed, inputs, channels, side, kernel, stride) in enumerate(shapes):
        x = torch.randn(GRID.batch, inputs, side, side, dtype=kind).contiguous(memory_format=torch.channels_last)
        of_weights = (inputs, channels) if transposed else (channels, inputs)
        w = torch.randn(*of_weights, kernel, kernel, dtype=kind).contiguous(memory_format=torch.channels_last)
        past = [1, 1] if transposed and stride > 1 else [0, 0]  # output padding
        options = ([stride] * 2, [kernel // 2] * 2, [1, 1], transposed, past, 1)
        y = torch.ops.aten.convolution(x, w, None, *options)
        found.append((torch.randn_like(y), x, w, options, [place > 0, True, False]))

    def step() -> None:
        for gradient, x, w, options, needed in found:
            torch.ops.aten.convolution(x, w, None, *options)
            torch.ops.aten.convolution_backward(gradient, x, w, None, *options, needed)

    return step


def main() -> None:
    args = parse_arguments(__doc__)
    os.environ.pop("OPENBLAS_CORETYPE", None)  # kernels pinned for an older processor would hide the limit
    if args.threads:
        os.environ["OPENBLAS_NUM_THREADS"] = str(args.threads)
    import numpy as np  # OpenBLAS reads these settings once, here

    try:
        import torch
    except ImportError:
        torch = None
    else:
        if args.threads:
            torch.set_num_threads(args.threads)
    images, batch = read_images(args), batch_size(args.size)
    steps = len(images) // batch
    x = images[:batch].reshape(-1, PIXELS).astype(np.float32) / 255
    if args.size == "conv":
        trials = [convolutions(torch=torch, bfloat16=args.bfloat16)]
    else:
        trials = list(matrices(SIZES[args.size], x, torch=torch, bfloat16=args.bfloat16))
    print_result(min((time_epochs(trial, steps, args.epochs) for trial in trials), key=min), None, steps, batch)


def time_epochs(step: Callable[[], None], steps: int, epochs: int) -> list[float]:
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        for _ in range(steps):
            step()
        seconds.append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    main()
