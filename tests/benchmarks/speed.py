"""vaecli's loop against Keras `fit`, JAX, PyTorch and the products alone, side by side on this machine.

    python tests/benchmarks/speed.py [--rounds 3] [--epochs 4] [--sizes article large conv] [--precisions float32]
        [--libraries vaecli "Keras fit" PyTorch]

MNIST. `article` and `large` are dense Gumbel-softmax autoencoders, `conv` is a vqvae with a grid of 7x7 cells, 128
codes of 16, channels 32 and 64, batches of 128, Adam 1e-3 and commitment 0.25. Every program is a process of its own;
they take turns, so that a slow phase of the machine meets all of them. Each is judged by the median over the rounds of
its fastest epoch after the first, which compiles. A library with several modes (PyTorch eager and compiled, Keras with
and without XLA, ...) stands in the table with its fastest; all are printed as they are measured. "JAX, logged" finds
for each step what vaecli writes down of it: the loss, the rate, and the norms of the gradients. JAX and PyTorch are in
the extra `bench`; what is not installed or does not run is left out, aloud. TensorFlow computes with oneDNN in all of
them, which on processors without AVX512_VNNI it does not by itself.

In float32, dense programs that differ by more than TOLERANCE in the loss after the same epochs have not done the same
work: then it exits with 1. Of `conv` the error is printed. It is alike but for two reasons: what XLA compiles in a loop
(vaecli's `xla` and JAX's `scan`) is so slow that its epoch has --slow-steps steps; and Keras treats the gradient of the
rows that a batch takes as sparse: its Adam goes on moving the other rows by their last moments, which keeps more of
them alive (0.0082 after 300 steps; with a dense gradient, by a product with one-hot codes, 0.0166, where vaecli has
0.0140 to 0.0157).
"""

import argparse
import importlib.util
import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from measure import measure, mnist_npz

RIVALS = Path(__file__).parent / "rivals"
TOLERANCE = 0.05  # of the loss; seeds differ by about 0.02 after four epochs


class Library(NamedTuple):
    file: str
    needs: str
    dense: tuple[str, ...] = ("",)  # modes; "" is the library's own choice
    conv: tuple[str, ...] = ("",)


LIBRARIES = {
    "vaecli": Library("ours", "tensorflow", conv=("graph", "xla")),
    "Keras fit": Library("keras_fit", "tensorflow", *[("graph", "xla")] * 2),
    "JAX": Library("jax_loop", "jax", ("scan",), ("step", "scan")),
    "JAX, logged": Library("jax_loop", "jax", ("logged",), ()),
    "PyTorch": Library(
        "torch_loop", "torch", ("eager", "compile"), ("eager", "channels_last", "channels_last+compile")
    ),
    "products alone": Library("matmul_limit", "numpy"),
}
SLOW = {("vaecli", "xla"), ("JAX", "scan")}  # of conv
Program = tuple[str, str]  # library and mode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--sizes", nargs="+", default=["article", "large", "conv"])
    parser.add_argument("--precisions", nargs="+", choices=["float32", "bfloat16"], default=["float32", "bfloat16"])
    parser.add_argument("--libraries", nargs="+", choices=LIBRARIES, default=list(LIBRARIES), metavar="LIBRARY")
    parser.add_argument("--steps", type=int, default=100, help="of an epoch of conv")
    parser.add_argument("--slow-steps", type=int, default=10, help="of an epoch of conv in a loop that XLA compiles")
    args = parser.parse_args()
    for name in args.libraries:
        library = LIBRARIES[name]
        if not importlib.util.find_spec(library.needs):
            print(f"{name}: {library.needs} is not installed; pip install -e '.[bench]'", file=sys.stderr)

    rows = {}
    for precision in args.precisions:
        for size in args.sizes:
            found = measured(size, precision, args)
            if found:
                rows[f"{size} {precision}"] = found
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}; images per second, and vaecli's share")
    print(table({row: {name: rate for name, (rate, _) in best(found).items()} for row, found in rows.items()}))
    for row, found in rows.items():
        fastest = ", ".join(f"{name} {mode}" for name, (_, mode) in best(found).items() if mode)
        print(f"{row}: {fastest}" if fastest else row)
    dense = [agree(row, found) for row, found in rows.items() if row in ("article float32", "large float32")]
    sys.exit(0 if all(dense) else 1)


def measured(size: str, precision: str, args: argparse.Namespace) -> dict[Program, list[dict[str, Any]]]:
    """What each program that runs printed, round by round."""
    programs = [
        (name, mode)
        for name, library in LIBRARIES.items()
        if name in args.libraries and importlib.util.find_spec(library.needs)
        for mode in (library.conv if size == "conv" else library.dense)
        if not (precision == "bfloat16" and (name, mode) == ("vaecli", "xla"))  # refused: of no use
    ]
    found = defaultdict(list)
    for turn in range(args.rounds):
        for name, mode in list(programs):
            command = [sys.executable, str(RIVALS / f"{LIBRARIES[name].file}.py"), "--size", size]
            command += ["--epochs", str(args.epochs), "--data", str(mnist_npz())]
            command += ["--mode", mode] * bool(mode) + ["--bfloat16"] * (precision == "bfloat16")
            if size == "conv":
                command += ["--steps", str(args.slow_steps if (name, mode) in SLOW else args.steps)]
            title = f"{size} {precision}, {name} {mode}".strip()
            try:
                result = json.loads(measure(command, TF_ENABLE_ONEDNN_OPTS="1").stdout.splitlines()[-1])
            except SystemExit:
                print(f"{title} does not run here: left out", file=sys.stderr)
                programs.remove((name, mode))
                continue
            found[name, mode].append(result)
            said = f"{rate(result):,.0f} images/s, loss {result['loss'] or 0:.4f}"
            print(f"round {turn + 1}, {title}: {said}", file=sys.stderr, flush=True)
    return found


def rate(result: dict[str, Any]) -> float:
    """The images per second of the fastest epoch after the first."""
    return result["steps"] * result["batch_size"] / min(result["epoch_seconds"][1:])


def best(found: dict[Program, list[dict[str, Any]]]) -> dict[str, tuple[float, str]]:
    """The median rate of each library, and the mode that has it."""
    rates: dict[str, tuple[float, str]] = {}
    for (name, mode), results in found.items():
        rates[name] = max(rates.get(name, (0.0, "")), (median(map(rate, results)), mode))
    return rates


def table(rows: dict[str, dict[str, float]]) -> str:
    """The rates [row][library] as Markdown, each with that of vaecli over it."""
    lines = ["| | " + " | ".join(LIBRARIES) + " |", "|---" * (1 + len(LIBRARIES)) + "|"]
    for row, rates in rows.items():
        cells = [
            f"{rates[name]:,.0f}" + (f" ({rates['vaecli'] / rates[name]:.2f}x)" if name != "vaecli" else "")
            if name in rates
            else "-"
            for name in LIBRARIES
        ]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def agree(row: str, found: dict[Program, list[dict[str, Any]]]) -> bool:
    """Whether the losses of all programs are nearly equal; says so."""
    losses = [sum(r["loss"] for r in results) / len(results) for results in found.values() if results[0]["loss"]]
    spread = max(losses) / min(losses) - 1
    print(f"{row}: losses agree within {100 * spread:.1f}%" + ("" if spread <= TOLERANCE else ": NOT the same work"))
    return spread <= TOLERANCE


if __name__ == "__main__":
    main()
