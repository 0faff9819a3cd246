"""What a prior over a grid of codes gives: code lengths, samples by label, their quality, and the time they take.

    python tests/benchmarks/priors.py FOLDER [--seeds 0 1 2] [--data mnist] [--count 1000] [--jobs 2]

Trains, for each seed, a vqvae with moving averages and restart on a 7x7 grid of 128 codes (of other images than MNIST's
the grid is as large as two strides leave it), fits to its codes an independent and an autoregressive prior and an
autoregressive one for each label, measures the quality of what they draw, and times the drawing and decoding of 1,000
samples. Whatever is finished in FOLDER is not done again, so that the same command goes on where it was stopped.

Printed are means with 95 % intervals over seeds (Student's t), of differences and ratios paired by seed, beside what is
asked of each: an autoregressive code length at least a fifth below the independent one, at least 90 % of the samples by
label recognised as their label, and 1,000 samples in less than 10 s.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import vaecli
from vaecli.backend.process import prepare
from vaecli.config import dump
from vaecli.metrics.intervals import Interval, interval
from vaecli.runs import Run
from vaecli.runs.run import file_digest
from vaecli.runs.schema import FittedPrior

MODEL = {"name": "vqvae", "num_codes": 128, "code_dim": 16, "codebook": "ema", "restart": 1.0}
NETWORK = {"kind": "conv"}
TRAINING = {"epochs": 5, "batch_size": 128}
PRIORS = (("independent", False), ("autoregressive", False), ("autoregressive", True))
TIMED = 1000  # samples
SOURCES = ("test images", "reconstructions", "independent", "autoregressive", "autoregressive by label")
FIGURES = ("precision", "recall", "density", "coverage", "recognised", "label_entropy", "nearer")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--steps", type=int, help="of the autoencoder in place of 5 epochs, for a quick look")
    parser.add_argument("--epochs", type=int, help="of an autoregressive prior at most")
    parser.add_argument("--count", type=int, help="samples that are measured; default: as of vaecli quality")
    parser.add_argument("--jobs", type=int)
    args = parser.parse_args()
    prepare()
    runs = trained(args)
    found = {run.config.training.seed: measured(run, args) for run in runs}
    print(f"\n{args.data}, {runs[0].latent}, seeds {', '.join(map(str, found))}")
    for line in table(found):
        print(line)


def trained(args: argparse.Namespace) -> list[Run]:
    """The finished runs, one for each seed."""
    training = {**TRAINING, **({"epochs": None, "steps": args.steps} if args.steps else {})}
    tree = {"model": MODEL, "network": NETWORK, "data": {"name": args.data}, "training": training}
    args.folder.mkdir(parents=True, exist_ok=True)
    config = args.folder / "priors.yaml"
    config.write_text(dump(tree), encoding="utf-8")
    found = vaecli.compare(
        config, seeds=args.seeds, jobs=args.jobs, output_dir=args.folder, output=args.folder / "compared"
    )
    for failed, reason in found.failures.items():
        print(f"{failed}: {reason}")
    return [run for group in found.groups for row in group.rows for run in row.runs]


def measured(run: Run, args: argparse.Namespace) -> Mapping[str, float]:
    """The figures of one run by name, with priors fitted and samples measured where that was not done yet."""
    figures = {"capacity": run.latent.capacity_bits or 0.0, "mse": run.summary["test"]["mse"]["sampled"]}
    figures["perplexity"] = run.summary["test"]["perplexity"] or 0.0
    for kind, conditional in PRIORS:
        epochs = args.epochs if kind == "autoregressive" else None
        fitted = vaecli.prior(run.path, kind=kind, conditional=conditional, epochs=epochs).fitted
        name = f"{kind} by label" if conditional else kind
        figures[f"code length, {name}"] = fitted["code_length"]["test"]["value"]
        figures[f"gap to training, {name}"] = figures[f"code length, {name}"] - fitted["code_length"]["train"]["value"]
        if kind == "autoregressive":
            figures[f"seconds of {TIMED:,}, {name}"] = timed(run, fitted)
    shorter = figures["code length, autoregressive"] / figures["code length, independent"]
    figures["shorter by"] = 1 - shorter
    quality = vaecli.quality(run.path, count=args.count)
    for source in SOURCES:
        for name in FIGURES:
            value = quality.figures[source][name]  # type: ignore[literal-required]
            if value is not None:
                figures[f"{name}, {source}"] = value
    figures["accuracy of the classifier"] = quality.measured["accuracy"]
    figures["label_entropy of the data"] = quality.measured["label_entropy"]
    return figures


def timed(run: Run, fitted: FittedPrior) -> float:
    """Seconds that 1,000 samples take once programs are compiled; kept, so that a resumed table has them too."""
    path = run.path.parent / "timed.json"
    known: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    key = f"{file_digest(run.prior_file(fitted['kind'], conditional=fitted['conditional']))} {os.cpu_count()}"
    if key not in known:
        from vaecli.experiment.prior import load_prior

        prior, decoder, place = load_prior(run, fitted), vaecli.load_run(run.path), len(fitted["labels"]) // 2
        draw: Callable[[int, int], Any] = lambda count, seed: decoder.decode(  # noqa: E731
            prior.draw(count, temperature=1.0, of_class=place, seed=seed).reshape(-1, *run.latent.layout)
        )
        draw(10, 0)
        start = time.perf_counter()
        draw(TIMED, 1)
        known[key] = time.perf_counter() - start
        path.write_text(json.dumps(known, indent=2), encoding="utf-8")
    return known[key]


def table(found: Mapping[int, Mapping[str, float]]) -> list[str]:
    """Markdown: what is asked for first, then a row for each source."""
    over = {name: interval([of_seed[name] for of_seed in found.values()]) for name in next(iter(found.values()))}
    asked = {"shorter by": "0.2", "recognised, autoregressive by label": "0.9"}
    limits = {f"seconds of {TIMED:,}, {name}": "10" for name in ("autoregressive", "autoregressive by label")}
    lines = ["", "| | mean ± 95 % interval | asked for |", "|---|---|---|"]
    of_sources = {f"{name}, {source}" for source in SOURCES for name in FIGURES} - set(asked)
    for name, value in over.items():
        if name not in of_sources:
            wanted = f">= {asked[name]}" if name in asked else f"< {limits[name]}" if name in limits else ""
            lines.append(f"| {name} | {said(value)} | {wanted} |")
    lines += ["", f"| | {' | '.join(FIGURES)} |", f"|---{'|---' * len(FIGURES)}|"]
    for source in SOURCES:
        cells = [said(over[key]) if (key := f"{name}, {source}") in over else "" for name in FIGURES]
        lines.append(f"| {source} | {' | '.join(cells)} |")
    return lines


def said(found: Interval) -> str:
    """A mean with its interval: "0.051 ± 0.004"."""
    decimals = 1 if abs(found.mean) >= 100 else 2 if abs(found.mean) >= 10 else 3
    half = "" if found.half_width is None else f" ± {found.half_width:.{decimals}f}"
    return f"{found.mean:.{decimals}f}{half}"


if __name__ == "__main__":
    main()
