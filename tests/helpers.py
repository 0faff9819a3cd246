"""Slow but obvious references, and what several tests begin with."""

import itertools
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

import hostile
from vaecli.config import Config, config_from_text
from vaecli.data import load
from vaecli.experiment.plan import plan_run
from vaecli.experiment.train import train_run
from vaecli.registry import METHODS
from vaecli.runs import Run
from vaecli.runs.audits import AuditRow, Bounded, GradientErrors
from vaecli.runs.files import PART
from vaecli.runs.run import file_digest
from vaecli.runs.sealed import write_sealed

METHOD_NAMES = tuple(METHODS)
# One of each kind, for what is slow and does not depend on the estimator: no codes, hard or relaxed codes, a codebook,
# many decodings, a state that learns. What depends on it is tested for every method in tests/estimators.
KINDS = ("vae", "categorical", "gumbel", "straight_through", "vqvae", "exact", "relax")

HOSTILE = "<script>alert('$x$ & y')</script>"  # what a user may write, and no page may take for markup
OFTEN = ", checkpoint_seconds: 0"  # a state is saved after every call


def small_config(
    method: str, *, epochs: int = 2, seed: int = 0, extra: str = "", extra_training: str = "", compiler: str = "graph"
) -> Config:
    """A method at its defaults, on digits with a narrow network; `extra` and `extra_training` are more YAML.

    XLA needs seconds for a training of a tenth of one, so what does not depend on it runs as a graph.
    """
    return config_from_text(
        f"model: {method}\n"
        "network: {hidden: [16]}\n"
        "data: digits\n"
        f"training: {{epochs: {epochs}, seed: {seed}, compile: {compiler}{extra_training}}}\n"
        f"{extra}"
    )


# Of few codes, in nats, and with every key that log p(x) depends on
IN_NATS = small_config(
    "{name: straight_through, num_latents: 2, num_classes: 4}",
    extra="objective: {likelihood: bernoulli, beta: 1.0, prior: learned}",
)


class Silent:
    """A Reporter that keeps what it receives."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.rows: list[Mapping[str, float | None]] = []
        self.losses: list[float] = []

    def say(self, line: str) -> None:
        self.said.append(line)

    def progress(self, chunk: Any, trainer: Any) -> None:
        self.losses.append(chunk.loss)

    def epoch(self, row: Mapping[str, float | None], epochs: int) -> None:
        self.rows.append(row)


def train(config: Config, output_dir: Path, *, stop: Callable[[], int | None] = lambda: None, **options: Any) -> Run:
    """The run of a config, trained to its end (or to where `stop` says)."""
    plan = plan_run(config, load(config.data), output_dir)
    train_run(plan, options.pop("reporter", Silent()), stop=stop, **options)
    return plan.run


def copied(run: Run, folder: Path) -> Run:
    """Its own copy of a run, to be changed."""
    return Run(Path(shutil.copytree(run.path, folder / run.path.name)))


def made_up(
    folder: Path,
    model: str,
    seed: int,
    mse: float,
    *,
    epochs: int = 10,
    data: str = "mnist",
    beta: float = 0.0,
    relaxed: float | None = None,
    accuracy: float | None = None,
    temperature: float | None = None,
    batch_size: int = 64,
    mode: float | None = None,
    encoder: float = 0.01,
    codes_used: float | None = None,
    perplexity: float = 9.0,
    distortion: float | None = None,
) -> Run:
    """A finished run of invented figures; it has no arrays."""
    options = "" if temperature is None else f", temperature: {temperature}"
    config = config_from_text(
        f"model: {{name: {model}{options}}}\n"
        f"data: {'mnist' if data == 'mnist' else 'digits'}\n"
        f"objective: {{beta: {beta}, likelihood: {'mse' if distortion is None else 'bernoulli'}}}\n"
        f"training: {{epochs: {epochs}, batch_size: {batch_size}, seed: {seed}}}\n"
    )
    run = Run(folder / f"{model}-{epochs}{data}{beta}{temperature}{batch_size}-s{seed}")
    made = session()
    facts = made["data"] | {"name": data, "digest": f"{data.encode().hex():0<64}"}
    run.begin(config, {**made, "data": facts})
    elbo = None if distortion is None else -(distortion + 1.4)
    mses = {"sampled": mse, "mode": mode or mse, "relaxed": relaxed}
    test = {"mse": mses, "distortion": distortion, "rate": 1.4, "elbo": elbo, "bits": 2.0, "capacity_bits": None}
    test |= {"codes_used": codes_used, "perplexity": perplexity, "accuracy": accuracy, "nmi": accuracy}
    norms = {"encoder": encoder}
    about = {"name": data, "fallback_for": None, "digest": facts["digest"]}
    figures = {"test": test, "gradient_norm": norms, "parameters": 7, "seconds": 1.0, "without_gradient": []}
    run.finish({**figures, "data": about}, "epoch\n")
    return Run(run.path)


def session(**others: Any) -> dict[str, Any]:
    """What run.json has of the start of a run, made up."""
    facts = {"name": "digits", "fallback_for": None, "source": "made up", "digest": "0" * 64}
    facts |= {"scale": 1.0, "image_shape": [8, 8], "train": 60, "validation": 0, "test": 10}
    made = {"argv": ["vaecli", "train"], "started": "2026-01-01T00:00:00Z", "data": facts, "git_commit": None}
    made |= {"versions": {"keras": "3.15", "torch": None}, "host": "here", "platform": "Linux", "cpu": "fast"}
    return {**made, "cpus": 2, "threads": "1", "extends": None, **others}


def forge(run: Run, change: Callable[[dict[str, Any]], None]) -> Run:
    """Changes run.json of a finished run, and its digest in summary.json, as somebody who knows how could."""
    reseal(run.run_json, change)
    digest = file_digest(run.run_json)
    reseal(run.summary_json, lambda summary: summary["files"].update({"run.json": digest}))
    return Run(run.path)


def reseal(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes a sealed file and seals it again, as somebody who knows how could."""
    tree = json.loads(path.read_text())
    tree.pop("seal", None)
    change(tree)
    write_sealed(path, tree)


def audit_row(
    estimator: str,
    bias: float,
    std: float,
    *,
    temperature: float | None = None,
    epoch: int = 10,
    told: bool = True,
    cosine: float | None = 0.5,
) -> AuditRow:
    """A row of an audit with intervals of 2 %; a bias that is not distinguishable from 0 has one from 0."""

    def around(value: float) -> Bounded:
        return Bounded(value, 0.98 * value, 1.02 * value)

    bias_ = around(bias) if told else Bounded(bias, 0.0, 2 * bias)
    found = GradientErrors(bias_, around(std), cosine and around(cosine), around(bias**2 + std**2))
    return AuditRow(epoch, estimator, temperature, 1, 0, 4096, 0.25, found, found)


def cut_off(figure: Any) -> list[str]:
    """What of a figure lies outside of it, or under something else: axes with their labels, title and legends."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    of = canvas.get_renderer()
    parts = {f"axes {i}": axis.get_tightbbox(of) for i, axis in enumerate(figure.axes) if axis.get_visible()}
    parts |= {f"legend {i}": legend.get_window_extent(of) for i, legend in enumerate(figure.legends)}
    parts |= {text.get_text(): text.get_window_extent(of) for text in figure.texts}
    found = [
        f"{name} is cut off"
        for name, box in parts.items()
        if box.x0 < -1 or box.y0 < -1 or box.x1 > figure.bbox.x1 + 1 or box.y1 > figure.bbox.y1 + 1
    ]
    pairs = itertools.combinations(parts.items(), 2)
    return found + [f"{a} lies on {b}" for (a, one), (b, two) in pairs if one.padded(-3).overlaps(two.padded(-3))]


class Page(HTMLParser):
    """Every tag with its attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        """The attributes of each of these tags."""
        return [attributes for tag, attributes in self.tags if tag in tags]


def written(folder: Path) -> list[str]:
    """Every file and folder below, by its path from there, but for what `pytest --hostile` has put there."""
    theirs = {f"{name}.py" for name in hostile.MODULES}
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name not in theirs)


def place_of(call: str, path: str) -> tuple[str, str]:
    """One write of a training: what was called for which file, the same whatever a temporary name was."""
    name = os.path.basename(path)
    return call, re.sub(r"\.[0-9a-f]{8}(\.keras)?$", "", name.removeprefix(PART)) if name.startswith(PART) else name


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Draws exist compiled only."""
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, in float64."""
    shifted = np.exp(np.asarray(logits, np.float64) - np.max(logits, -1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def exact_gradient(logits: np.ndarray, values: np.ndarray) -> np.ndarray:
    """d/dlogits of sum_k p_k f_k, where values [K] are the f_k: p_k (f_k - sum_j p_j f_j)."""
    p = softmax(logits)
    return p * (values - p @ values)


def weights(run: Run) -> dict[str, bytes]:
    """The last weights of a run, to the bit."""
    return {name: array.tobytes() for name, array in run.load_weights().items()}


def metrics(run: Run) -> list[dict[str, float | None]]:
    """The rows of metrics.csv without what no two trainings share."""
    return [{key: value for key, value in row.items() if key != "seconds"} for row in run.metrics]


def stop_after(calls: int, code: int = 130) -> Callable[[], int | None]:
    """A `stop` that asks to stop from the given call of the compiled loop on."""
    counter = itertools.count(1)
    return lambda: code if next(counter) >= calls else None
