"""Which quantisers keep their codes alive: every remedy beside the plain codebook, over seeds.

    python tests/benchmarks/quantizers.py FOLDER [--tables conv epochs ten] [--seeds 0 1 2 3 4] [--rows ...] [--jobs 2]
    python tests/benchmarks/quantizers.py --pace [--rounds 3] [--steps 40] [--rows ...]

Trains on MNIST (--data names other data) whatever is not finished in FOLDER, so that the same command goes on where it
was stopped. The tables:

    conv    a 7x7 grid of 256 codes (FSQ: 240): convolutions of 32 and 64 channels, D 16, batches of 128, 1,000 steps
    epochs  four of its rows after 10 epochs
    ten     one code of ten, in the article's protocol, differences to the plain codebook paired over seeds

Printed are the share of codes that some test image has, the perplexity of their use, both over the whole test split,
and the squared error per pixel: means with 95 % intervals where there are several seeds. The plain codebook of every
row begins at N(0, 0.05^2); its start alone decides much of its share of active codes.

`--pace` measures what a step of the first table's rows costs instead, in turns in one process: the fastest of some
rounds of so many steps, after one that compiles, and its ratio to the plain codebook's.
"""

import argparse
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import vaecli
from vaecli.backend.process import prepare
from vaecli.config import dump
from vaecli.metrics.intervals import Interval, interval, paired, resolved

GRID = {"num_codes": 256, "code_dim": 16}
EMA, RESTART, KMEANS = {"codebook": "ema"}, {"restart": 1.0}, {"init": "kmeans"}
RARER = {"restart": 0.1}


def vector(**options: Any) -> dict[str, Any]:
    return {"name": "vqvae", **options}


CONV: Mapping[str, dict[str, Any]] = {
    "plain": vector(**GRID),
    "warm-up, then k-means": vector(**GRID, **KMEANS, unquantized_steps=200),
    "EMA + restart": vector(**GRID, **EMA, **RESTART),
    "EMA + restart below 0.1": vector(**GRID, **EMA, **RARER),
    "k-means + EMA + restart": vector(**GRID, **KMEANS, **EMA, **RESTART),
    "FSQ [8, 6, 5]": {"name": "fsq", "levels": [8, 6, 5]},
    "restart": vector(**GRID, **RESTART),
    "EMA": vector(**GRID, **EMA),
    "rotation": vector(**GRID, gradient="rotation"),
    "SimVQ": {"name": "simvq", **GRID},
    "DiVeQ": {"name": "diveq", **GRID},
    "cosine + k-means": vector(**GRID, **KMEANS, distance="cosine"),
    "k-means of the untrained encoder": vector(**GRID, **KMEANS),
    "residual 2 x 16, EMA + restart": {
        "name": "residual",
        "stages": 2,
        "num_codes": 16,
        "code_dim": 16,
        **EMA,
        **RESTART,
    },
    "LFQ, 8 bits": {"name": "lfq", "bits": 8},
    "LFQ, 8 bits, entropy 0.01": {"name": "lfq", "bits": 8, "entropy_weight": 0.01},
    "LFQ, 8 bits, entropy 0.001": {"name": "lfq", "bits": 8, "entropy_weight": 0.001},
}
EPOCHS = {name: CONV[name] for name in ("plain", "warm-up, then k-means", "EMA + restart", "FSQ [8, 6, 5]")}
WEIGHT = {"commitment": 1.0}  # the article's
TEN: Mapping[str, dict[str, Any]] = {
    "plain": vector(**WEIGHT),
    "EMA + restart": vector(**WEIGHT, **EMA, **RESTART),
    "EMA + restart below 0.1": vector(**WEIGHT, **EMA, **RARER),
    "EMA": vector(**WEIGHT, **EMA),
    "restart": vector(**WEIGHT, **RESTART),
    "k-means": vector(**WEIGHT, **KMEANS),
    "warm-up of an epoch, then k-means": vector(**WEIGHT, **KMEANS, unquantized_steps=937),
    "k-means + restart": vector(**WEIGHT, **KMEANS, **RESTART),
    "rotation": vector(**WEIGHT, gradient="rotation"),
    "SimVQ": {"name": "simvq", **WEIGHT},
    "DiVeQ": {"name": "diveq"},
    "cosine": vector(**WEIGHT, distance="cosine"),
    "FSQ [5, 2]": {"name": "fsq", "levels": [5, 2]},
    "LFQ, 3 bits": {"name": "lfq", "bits": 3},
    "hard EM": {"name": "hard_em"},
    "no quantiser: exact": {"name": "exact"},
}
CONVOLUTIONS = {"network": {"kind": "conv"}}
TABLES: Mapping[str, tuple[Mapping[str, dict[str, Any]], dict[str, Any]]] = {
    "conv": (CONV, {**CONVOLUTIONS, "training": {"steps": 1000, "batch_size": 128}}),
    "epochs": (EPOCHS, {**CONVOLUTIONS, "training": {"epochs": 10, "batch_size": 128}}),
    "ten": (TEN, {"training": {"epochs": 10}}),
}
COLUMNS: Mapping[str, tuple[Callable[[Mapping[str, Any]], float], str]] = {
    "active %": (lambda test: 100 * test["codes_used"], ".1f"),
    "perplexity": (lambda test: test["perplexity"], ".1f"),
    "mse": (lambda test: test["mse"]["mode"], ".4f"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--pace", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40, help="of a round")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--rows", nargs="+", help="default: all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--jobs", type=int)
    args = parser.parse_args()
    if args.pace:
        print_paces(args.rows or list(CONV), args.rounds, args.steps)
        return
    if args.folder is None:
        parser.error("name a folder for the runs")
    for name in args.tables:
        rows, protocol = TABLES[name]
        print(f"\n{name}, {args.data}, seeds {', '.join(map(str, args.seeds))}")
        print(f"| {'':34} | {' | '.join(f'{column:>18}' for column in COLUMNS)} | {'mse - plain':>18} |  s/step |")
        plain: dict[int, Mapping[str, Any]] = {}
        for row, model in rows.items():
            if args.rows and row not in args.rows and row != "plain":
                continue
            path = args.folder / "configs" / f"{name}-{row.replace(' ', '-')}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dump({"model": model, "data": {"name": args.data}, **protocol}), encoding="utf-8")
            found = vaecli.compare(
                path, seeds=args.seeds, jobs=args.jobs, output_dir=args.folder, output=args.folder / "compared"
            )
            runs = [run for group in found.groups for one in group.rows for run in one.runs]
            tests = {run.config.training.seed: run.summary["test"] for run in runs}
            plain = plain or tests
            print(line(row, tests, plain), flush=True)
            for failed, reason in found.failures.items():
                print(f"{failed}: {reason}")


def line(row: str, tests: Mapping[int, Any], plain: Mapping[int, Any]) -> str:
    """One row of a table: means over seeds, and the difference to the plain codebook."""
    cells = [said(interval([of(test) for test in tests.values()]), form) for of, form in COLUMNS.values()]
    of, _ = COLUMNS["mse"]
    mses, others = ({seed: of(test) for seed, test in found.items()} for found in (tests, plain))
    difference = paired(mses, others)
    told = "" if tests is plain or difference is None else said(difference, "+.4f") + "*" * resolved(difference)
    return f"| {row:34} | {' | '.join(f'{cell:>18}' for cell in cells)} | {told:>18} |"


def said(found: Interval, form: str) -> str:
    """A mean with its interval: "0.0517 ± 0.0005"."""
    half = "" if found.half_width is None else f" ± {found.half_width:{form.strip('+')}}"
    return f"{found.mean:{form}}{half}"


def print_paces(rows: list[str], rounds: int, steps: int) -> None:
    """The seconds that a step of each row takes, beside the plain codebook's."""
    prepare()
    rows = ["plain", *(row for row in rows if row != "plain")]
    running = {row: epochs(CONV[row], steps, rounds + 1) for row in rows}
    found: dict[str, list[float]] = {row: [] for row in rows}
    for _ in range(rounds + 1):
        for row, seconds in running.items():
            found[row].append(next(seconds) / steps)
    best = {row: min(seconds[1:]) for row, seconds in found.items()}
    print(f"{len(os.sched_getaffinity(0))} cores, batches of 128, the fastest of {rounds} rounds of {steps} steps")
    for row, seconds in best.items():
        print(f"| {row:34} | {1000 * seconds:6.1f} ms | {seconds / best['plain']:5.2f} |")


def epochs(model: Mapping[str, Any], steps: int, rounds: int) -> Iterator[float]:
    """The seconds of each epoch of so many steps."""
    from vaecli.config import config_from_tree
    from vaecli.data import Dataset, Split, load
    from vaecli.models.autoencoder import build
    from vaecli.training.trainer import Trainer

    training = {"epochs": rounds, "batch_size": 128}
    config = config_from_tree({"model": model, **CONVOLUTIONS, "training": training}, "pace", [])
    data = load(config.data, None)
    split = Split(data.train.images[: 128 * steps])
    trainer = Trainer(build(config, data.image_shape), Dataset("mnist", split, split, data.scale, "pace"), config)
    for chunk in trainer.chunks(trainer.initial_state()):
        if chunk.metrics:
            yield chunk.row_seconds


if __name__ == "__main__":
    main()
