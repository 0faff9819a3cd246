"""Whether the defaults learn everywhere: every method, latent, likelihood and network, held against the mean image.

    python tests/benchmarks/matrix.py FOLDER [--seeds 0] [--epochs 5] [--set training.output_bias=zero] [--latents 4x8]

Trains on MNIST whatever of the matrix is not finished in FOLDER, so that the same command goes on where it was
stopped: every method, latents of 1x10, 4x8 and 20x10 (codes x values), mean squared error without a weight on the
rate and a Bernoulli likelihood with weight 1, networks of 128 and 512-256. A cell that a method refuses (too many
codes to decode, or too many rows of a codebook) is listed and does not count. A cell has learned where its test error
on sampled codes is at most LEARNED of the mean image's. Prints each cell that has not, and the share that has; the
naive method, which never can, is counted apart.
"""

import argparse
import itertools
from pathlib import Path
from typing import Any

import vaecli
from vaecli.config import dump, read_config
from vaecli.errors import ConfigError
from vaecli.registry import METHODS as REGISTERED
from vaecli.runs.references import references_of

METHODS = [  # those of `compare --all`
    name for name, method in REGISTERED.items() if method.in_all and (method.estimator or name in ("vae", "vqvae"))
]
LATENTS = {"1x10": (1, 10), "4x8": (4, 8), "20x10": (20, 10)}
OBJECTIVES = {"mse": {"likelihood": "mse", "beta": 0.0}, "bernoulli": {"likelihood": "bernoulli", "beta": 1.0}}
NETWORKS = {"128": [128], "512-256": [512, 256]}
LEARNED = 0.95
MOST_ROWS = 512  # of vqvae's codebook, which has one row for each combination of the codes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--latents", nargs="+", choices=LATENTS, default=list(LATENTS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    args = parser.parse_args()
    cells: dict[str, bool] = {}
    for latent, objective, network in itertools.product(args.latents, OBJECTIVES, NETWORKS):
        where, paths = f"{latent} {objective} {network}", []
        for method in args.methods:
            config = cell(method, *LATENTS[latent], OBJECTIVES[objective], NETWORKS[network])
            if config is None:
                print(f"{where} {method}: no such cell, its codebook would have more than {MOST_ROWS} rows")
                continue
            path = write(args.folder, where, method, config)
            try:
                read_config(str(path), args.set)
            except ConfigError as error:
                print(f"{where} {method}: refused: {error.lines[0]}")
                continue
            paths.append(path)
        asked = {"set": args.set, "epochs": args.epochs, "seeds": args.seeds, "output_dir": args.folder}
        judge(cells, where, vaecli.compare(*paths, **asked))
    for naive in (False, True):
        of_kind = {
            name: learned for name, learned in cells.items() if name.split()[3].startswith("categorical") == naive
        }
        if of_kind:
            share = sum(of_kind.values()) / len(of_kind)
            print(
                f"{'naive' if naive else 'all others'}: {sum(of_kind.values())} of {len(of_kind)} learned, {share:.1%}"
            )


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


def write(folder: Path, where: str, method: str, config: dict[str, Any]) -> Path:
    """The config as a file, which names a cell for people."""
    path = folder / "configs" / f"{where.replace(' ', '-')}-{method}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump(config), encoding="utf-8")
    return path


def judge(cells: dict[str, bool], where: str, found: Any) -> None:
    """Whether each method and seed of a cell has learned, printed where it has not."""
    for name, reason in found.failures.items():
        cells[f"{where} {name}"] = False
        print(f"{where} {name}: failed: {reason}", flush=True)
    for run in (run for group in found.groups for row in group.rows for run in row.runs):
        references = references_of(run)
        assert references is not None
        error, most = run.summary["test"]["mse"]["sampled"], LEARNED * references.mean_image
        key = f"{where} {run.config.model.name} seed {run.config.training.seed}"
        cells[key] = error <= most
        if error > most:
            print(f"{key}: {error:.4f} is more than {most:.4f}", flush=True)


if __name__ == "__main__":
    main()
