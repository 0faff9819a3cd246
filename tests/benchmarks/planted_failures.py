"""Whether the health report names what went wrong, and only that.

    python tests/benchmarks/planted_failures.py [--folder FOLDER] [--only WORD]

Trains twenty runs with a planted failure, each of which must be named by a sentence of the right kind that offers the
right setting, and twenty healthy ones of several methods, likelihoods, latents and seeds, of which nothing may be said.
Most are of the bundled digits, some of MNIST. Prints a line for each, and all that was said; exits with 1 if one of
them is wrong. Runs that are finished in FOLDER are read and not trained again.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import vaecli
from vaecli.reports.health import Finding, findings
from vaecli.runs import Run

NATS = {"likelihood": "bernoulli", "beta": 1.0}
SEVERAL = {"num_latents": 4, "num_classes": 8}
BIG = [512, 256]
FEW_IMAGES = {"name": "digits", "validation": 1337}  # 100 are left
MNIST = {"name": "mnist"}


class Case(NamedTuple):
    """A run, and what must be said of it."""

    name: str
    config: dict[str, Any]
    kind: str = ""  # of the finding; empty: none
    setting: str = ""  # the beginning of one that it must offer


def case(
    name: str,
    model: str,
    kind: str = "",
    setting: str = "",
    *,
    options: dict[str, Any] | None = None,
    objective: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
    hidden: list[int] | None = None,
    **training: Any,
) -> Case:
    """A case on digits, with the article's objective and network where nothing else is given."""
    tree: dict[str, Any] = {"model": {"name": model, **(options or {})}, "data": data or {"name": "digits"}}
    tree |= {"network": {"hidden": hidden or [128]}, "objective": objective or {}, "training": training}
    return Case(name, tree, kind, setting)


def planted() -> Iterator[Case]:
    """The twenty failures."""
    bias, rate, epochs, beta = "training.output_bias=", "training.learning_rate=", "training.epochs=", "objective.beta="
    yield case("no gradient: naive", "categorical", "no gradient", "model.name=", epochs=5)
    yield case(
        "no gradient: naive, four codes",
        "categorical",
        "no gradient",
        "model.name=",
        options=SEVERAL,
        objective=NATS,
        epochs=5,
    )
    yield case("no gradient: dead units", "vqvae", "no gradient", rate, learning_rate=0.1, epochs=20)
    yield case(
        "no gradient: one step kills all units",
        "straight_through",
        "no gradient",
        rate,
        objective=NATS,
        optimizer="sgd",
        learning_rate=100.0,
        epochs=5,
    )
    yield case("one code: exact from zero", "exact", "collapse", bias, epochs=20)
    for model in ("straight_through", "gumbel_st"):
        yield case(
            f"one code: {model} from zero",
            model,
            "collapse",
            bias,
            options=SEVERAL,
            objective=NATS,
            data=MNIST,
            hidden=BIG,
            batch_size=100,
            output_bias="zero",
            learning_rate=1e-3,
            epochs=1,
        )
    for model in ("straight_through", "vae"):
        yield case(f"prior: {model}", model, "collapse", beta, objective={"likelihood": "mse", "beta": 1.0}, epochs=30)
    yield case("dead codes: codebook", "vqvae", "dead codes", "model.restart=", options={"num_codes": 72}, epochs=10)
    yield case(
        "dead codes: no weight on the rate", "reinforce", "dead codes", bias, options={"num_classes": 32}, epochs=100
    )
    yield case("relaxation gap", "gumbel", "relaxation gap", "model.temperature=", epochs=100)
    yield case(
        "temperature that its floor holds",
        "gumbel",
        "temperature",
        "model.temperature.floor=",
        options={"temperature": {"schedule": "linear", "start": 1.0, "end": 0.1, "floor": 0.5}},
        epochs=100,
    )
    yield case(
        "noise: low temperature",
        "gumbel_st",
        "noisy gradient",
        "model.temperature=",
        options={"temperature": 0.02},
        epochs=100,
    )
    yield case("noise: score function", "darn", "noisy gradient", "model.unimix=", data=MNIST, epochs=2)
    yield case(
        "divergence: free encodings",
        "vqvae",
        "divergence",
        "model.commitment=",
        options={"commitment": 0.0},
        learning_rate=0.003,
        epochs=8,
    )
    yield case("mean image: small steps", "vqvae", "mean image", rate, optimizer="sgd", learning_rate=1e-3, epochs=100)
    yield case("overfit", "vae", "overfit", epochs, data=FEW_IMAGES, hidden=[512], epochs=300, batch_size=20)
    yield case("few steps: one epoch", "straight_through", "few steps", epochs, epochs=1)
    yield case("few steps: three epochs", "vae", "few steps", epochs, epochs=3)


def healthy() -> Iterator[Case]:
    """The twenty healthy runs."""
    mean = {"output_bias": "data_mean", "epochs": 100}
    for model in ("straight_through", "exact", "rloo", "reinmax"):
        yield case(f"{model}, mse", model, **mean)
    yield case("straight_through, mse, seed 1", "straight_through", seed=1, **mean)
    yield case("gumbel_st 0.5, mse", "gumbel_st", options={"temperature": 0.5}, **mean)
    yield case("gumbel 0.5, mse", "gumbel", options={"temperature": 0.5}, **mean)
    for seed in (0, 1):
        yield case(f"vqvae, mse, seed {seed}", "vqvae", seed=seed, epochs=100)
    yield case("vae, mse", "vae", epochs=100)
    for model in ("straight_through", "gumbel_rao", "zgr"):
        yield case(f"{model}, four codes, nats", model, options=SEVERAL, objective=NATS, epochs=100)
    yield case("vae, nats", "vae", objective=NATS, epochs=100)
    kept = {"codebook": "ema", "restart": 1.0}  # without, three of ten codes die, which is said
    yield case("vqvae, nats", "vqvae", options=kept, objective={"likelihood": "bernoulli"}, epochs=100)
    yield case("straight_through, l1", "straight_through", objective={"likelihood": "l1"}, **mean)
    yield case(
        "straight_through, gaussian",
        "straight_through",
        objective={"likelihood": "gaussian", "scale": 0.2, "beta": 1.0},
        epochs=100,
    )
    for model in ("straight_through", "vqvae", "vae"):
        yield case(f"{model}, MNIST", model, data=MNIST, epochs=3)


def wrong(case: Case, found: list[Finding]) -> str:
    """What is wrong with the findings of a case; empty if nothing is."""
    if not case.kind:
        return "a healthy run" if found else ""
    of_kind = [finding for finding in found if finding.kind == case.kind]
    if not of_kind:
        return f"not named as {case.kind}"
    offered = [setting for finding in of_kind for setting in finding.settings]
    return "" if any(setting.startswith(case.setting) for setting in offered) else f"{case.setting} is not offered"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp(prefix="vaecli-planted-"))
    failures = begun = 0
    for case in [*planted(), *healthy()]:
        if args.only not in case.name:
            continue
        start, begun = time.monotonic(), begun + 1
        run = Run(vaecli.train(case.config, output_dir=folder, quiet=True).path)
        found = findings(run)
        problem = wrong(case, found)
        failures += bool(problem)
        verdict = f"WRONG: {problem}" if problem else "right"
        print(f"{case.name:<40}{case.kind or 'healthy':<16}{time.monotonic() - start:5.1f} s  {verdict}", flush=True)
        for finding in found:
            print(f"    {finding.kind}: {finding}", flush=True)
    print(f"{begun - failures} of {begun} are right; {folder}")
    raise SystemExit(bool(failures))


if __name__ == "__main__":
    main()
