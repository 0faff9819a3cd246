"""Whether the defaults learn everywhere, and in which order: every method, latent, likelihood and network.

    python tests/benchmarks/matrix.py FOLDER [--seeds 0 1 2] [--latents 4x8] [--objectives bernoulli] [--networks 128]
                                      [--methods ...] [--set training.output_bias=zero] [--epochs 5] [--jobs 2]
    python tests/benchmarks/matrix.py --tables        # what is kept, as tables over seeds; nothing is trained

Trains on MNIST whatever of the matrix is not measured yet: latents of 1x10, 4x8 and 20x10 (codes x values), mean
squared error without a weight on the rate and a Bernoulli likelihood with weight 1, networks of 128 and 512-256, and
the methods of `compare --all` unless others are named. A cell that a method refuses (too many codes to decode, or too
many rows of a codebook) is listed and does not count. A cell has learned where its test error on sampled codes is at
most LEARNED of the mean image's. Prints each cell that has not, and the share that has; the naive method, which never
can, is counted apart.

Every finished cell is kept as a row of matrix.csv (--kept) under the name of its run, and what is kept is not trained
again: a pass may be divided over days and machines, and whatever changes a result changes the name too.
"""

import argparse
import csv
import io
import itertools
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import vaecli
from vaecli.config import dump, read_config
from vaecli.data import load
from vaecli.errors import ConfigError
from vaecli.metrics.intervals import Interval, interval
from vaecli.registry import METHODS as REGISTERED
from vaecli.runs import Run, run_name
from vaecli.runs.files import write
from vaecli.runs.references import references_of

POSSIBLE = [name for name, method in REGISTERED.items() if method.estimator or name in ("vae", "vqvae")]
METHODS = [name for name in POSSIBLE if REGISTERED[name].in_all]  # those of `compare --all`
LATENTS = {"1x10": (1, 10), "4x8": (4, 8), "20x10": (20, 10)}
OBJECTIVES = {"mse": {"likelihood": "mse", "beta": 0.0}, "bernoulli": {"likelihood": "bernoulli", "beta": 1.0}}
NETWORKS = {"128": [128], "512-256": [512, 256]}
LEARNED = 0.95
MOST_ROWS = 512  # of vqvae's codebook, which has one row for each combination of the codes
WHERE = ["set", "epochs", "objective", "network", "latents", "method"]
COLUMNS = ["run", *WHERE, "seed", "mse", "mean_image", "minus_elbo", "perplexity"]
Rows = dict[tuple[str, str], dict[str, str]]  # by the name of the run and its epochs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--tables", action="store_true")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--latents", nargs="+", choices=LATENTS, default=list(LATENTS))
    parser.add_argument("--objectives", nargs="+", choices=OBJECTIVES, default=list(OBJECTIVES))
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--methods", nargs="+", choices=POSSIBLE, default=METHODS)
    parser.add_argument("--kept", type=Path, default=Path(__file__).with_suffix(".csv"))
    parser.add_argument("--jobs", type=int)
    args = parser.parse_args()
    kept = read(args.kept)
    if args.tables:
        print_tables(kept)
        return
    if args.folder is None:
        parser.error("name a folder for the runs")
    asked: Rows = {}
    for latent, objective, network in itertools.product(args.latents, args.objectives, args.networks):
        where = {"latents": latent, "objective": objective, "network": network, "set": " ".join(args.set)}
        told, missing = " ".join((latent, objective, network)), defaultdict(list)
        for method in args.methods:
            config = cell(method, *LATENTS[latent], OBJECTIVES[objective], NETWORKS[network])
            if config is None:
                print(f"{told} {method}: no such cell, its codebook would have more than {MOST_ROWS} rows")
                continue
            path = args.folder / "configs" / f"{told.replace(' ', '-')}-{method}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dump(config), encoding="utf-8")
            try:
                names = names_of(path, [*args.set, f"training.epochs={args.epochs}"], args.seeds)
            except ConfigError as error:
                print(f"{told} {method}: refused: {error.lines[0]}")
                continue
            absent = [seed for seed, name in names.items() if (name, str(args.epochs)) not in kept]
            asked |= {key: kept[key] for name in names.values() if (key := (name, str(args.epochs))) in kept}
            if absent:
                missing[tuple(absent)].append(path)
        for seeds, paths in missing.items():
            found = vaecli.compare(
                *paths, set=args.set, epochs=args.epochs, seeds=seeds, output_dir=args.folder, jobs=args.jobs
            )
            for name, reason in found.failures.items():
                print(f"{told} {name}: failed: {reason}", flush=True)
                asked[name, ""] = {"method": name.partition("-")[0], "mse": "inf", "mean_image": "0", "run": name}
            for run in (run for group in found.groups for one in group.rows for run in one.runs):
                key = run.name, str(args.epochs)
                kept[key] = asked[key] = row(run, where)
            write(args.kept, text(kept))
    judge(asked)


def cell(method: str, codes: int, values: int, objective: dict[str, Any], hidden: list[int]) -> dict[str, Any] | None:
    """The config of a method in a cell; None where there is none."""
    options: dict[str, Any] = {"name": method, "num_latents": codes, "num_classes": values}
    if method == "vae":
        options = {"name": method, "latent_dim": codes}
    if method == "vqvae":
        if values**codes > MOST_ROWS:
            return None
        options = {"name": method, "num_codes": values**codes}
        objective = {"likelihood": objective["likelihood"]}
    return {"model": options, "network": {"hidden": hidden}, "objective": objective, "data": {"name": "mnist"}}


def names_of(path: Path, settings: list[str], seeds: list[int]) -> dict[int, str]:
    """The names that the runs of a config have, by seed."""
    configs = {seed: read_config(str(path), [*settings, f"training.seed={seed}"]) for seed in seeds}
    return {seed: run_name(config, load(config.data, None)) for seed, config in configs.items()}


def row(run: Run, where: Mapping[str, str]) -> dict[str, str]:
    """What is kept of a finished run."""
    references, test, elbo = references_of(run), run.summary["test"], run.summary["test"].get("elbo")
    assert references is not None
    return {
        **where,
        "run": run.name,
        "epochs": str(run.config.training.epochs),
        "method": run.config.model.name,
        "seed": str(run.config.training.seed),
        "mse": f"{test['mse']['sampled']:.6g}",
        "mean_image": f"{references.mean_image:.6g}",
        "minus_elbo": "" if elbo is None else f"{-elbo:.6g}",
        "perplexity": f"{test['perplexity']:.4g}" if test.get("perplexity") else "",
    }


def read(path: Path) -> Rows:
    """The rows that are kept; none where the file is not there."""
    if not path.exists():
        return {}
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    return {(one["run"], one["epochs"]): one for one in rows}


def text(rows: Rows) -> str:
    """The rows as csv, in an order that does not depend on when they were measured."""
    order = {name: place for names in (LATENTS, OBJECTIVES, NETWORKS, POSSIBLE) for place, name in enumerate(names)}
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    places = {key: [str(order.get(one[column], one[column])).zfill(3) for column in WHERE] for key, one in rows.items()}
    writer.writerows(rows[key] for key in sorted(rows, key=lambda key: (places[key], int(rows[key]["seed"]), key)))
    return stream.getvalue()


def judge(rows: Rows) -> None:
    """Says which of the cells have not learned, and how many have."""
    for naive in (True, False):
        some = [one for one in rows.values() if (one["method"] == "categorical") == naive]
        learned = [float(one["mse"]) <= LEARNED * float(one["mean_image"]) for one in some]
        for one, well in zip(some, learned, strict=True):
            if not well and not naive and "latents" in one:
                least = LEARNED * float(one["mean_image"])
                place = " ".join(one[column] for column in ("latents", "objective", "network", "method"))
                print(f"{place} seed {one['seed']}: {float(one['mse']):.4f} is more than {least:.4f}")
        if some:
            share = sum(learned) / len(some)
            print(f"{'naive' if naive else 'all others'}: {sum(learned)} of {len(some)} learned, {share:.1%}")


def print_tables(rows: Rows) -> None:
    """For each start, length, objective and network: methods by latents, the best of the first latents first."""
    tables: dict[tuple[str, ...], dict[str, dict[str, list[float]]]] = {}
    for one in rows.values():
        value = float(one["minus_elbo"] or one["mse"])
        table = tables.setdefault((one["set"], one["epochs"], one["objective"], one["network"]), {})
        table.setdefault(one["method"], {}).setdefault(one["latents"], []).append(value)
    for (changed, epochs, objective, network), table in tables.items():
        metric = "-ELBO in nats" if objective == "bernoulli" else "error on sampled codes"
        print(f"\n{metric}: {objective}, network {network}, training.epochs={epochs} {changed}\n")
        print(f"| | {' | '.join(LATENTS)} |\n|---|{'---|' * len(LATENTS)}")
        means = {method: {at: interval(values) for at, values in found.items()} for method, found in table.items()}
        first = next(name for name in LATENTS if any(name in found for found in means.values()))
        lowest = {method: found[first].mean if first in found else float("inf") for method, found in means.items()}
        for method in sorted(means, key=lambda method: lowest[method]):
            cells = (said(means[method].get(at), objective) for at in LATENTS)
            print(f"| `{method}` | {' | '.join(cells)} |")


def said(found: Interval | None, objective: str) -> str:
    """A mean with its interval over seeds, and how many where there is none."""
    if found is None:
        return ""
    form = ".1f" if objective == "bernoulli" else ".4f"
    half = " (one seed)" if found.half_width is None else f" ± {found.half_width:{form}}"
    return f"{found.mean:{form}}{half}"


if __name__ == "__main__":
    main()
