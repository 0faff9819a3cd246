"""What was added to a finished run later, for its readers: what was evaluated, and its priors over codes."""

from collections.abc import Iterator
from typing import Any

from vaecli.errors import RunError
from vaecli.runs.run import Run
from vaecli.runs.schema import DrawnFigures, FittedPrior, PriorKind, Quality, Sources

INDEPENDENT: Sources = "independent"  # what a run without a prior draws from
NORMAL: Sources = "N(0, 1)"


def added(run: Run, code_prior: PriorKind | None = None) -> dict[str, dict[str, Any]]:
    """The figures by the first and second part of a metric's key; none where there are none to be used.

    Args:
        code_prior: the kind of prior that code lengths are under; None: the one that gives the shortest.
    """
    return {"evaluation": evaluation_of(run), "prior": prior_of(run, code_prior), "quality": quality_of(run)}


def problems(run: Run) -> Iterator[str]:
    """Why something that was added is not used."""
    for kind in ("evaluations", "priors", "quality"):
        try:
            _ = getattr(run, kind)
        except RunError as error:
            yield error.lines[0]


def usable_evaluations(run: Run) -> list[Any]:
    """What was evaluated, if it is of this run's weights."""
    try:
        return list(run.evaluations)
    except RunError:
        return []


def usable_priors(run: Run) -> list[FittedPrior]:
    """Its priors, if they were fitted to the codes of its last weights."""
    try:
        return list(run.priors)
    except RunError:
        return []


def evaluation_of(run: Run) -> dict[str, Any]:
    """The figures of the last weights on the test split, by the keys of metrics; none if there are none to be used.

    Of several bounds it is the one of the most samples.
    """
    for one in usable_evaluations(run):
        if (one["split"], one["weights"]) == ("test", "last"):
            means = {key: one[key] for key in ("negative_log_p", "posterior_gap")}
            figures: dict[str, Any] = {key: found and found["value"] for key, found in means.items()}
            if one["bounds"]:
                figures |= {"bound": one["bounds"][-1]["value"], "bound_samples": one["bounds"][-1]["samples"]}
            return figures
    return {}


def prior_of(run: Run, kind: PriorKind | None = None) -> dict[str, Any]:
    """The code length under the prior (of this kind) that gives the shortest, by the keys of metrics."""
    found = shortest([prior for prior in usable_priors(run) if kind in (None, prior["kind"])])
    if found is None:
        return {}
    lengths = found["code_length"]
    gap = lengths["test"]["value"] - lengths["train"]["value"]
    return {"code_length": lengths["test"]["value"], "code_length_gap": gap, "kind": found["kind"]}


def kept_quality(run: Run) -> Quality | None:
    """What was measured of its samples, if it is of its last weights."""
    try:
        return run.quality
    except RunError:
        return None


def current_figures(run: Run, quality: Quality) -> list[DrawnFigures]:
    """The figures without those of a prior that has been fitted again since."""
    files = {None, *(prior["file"] for prior in usable_priors(run))}
    return [one for one in quality["figures"] if one["prior"] in files]


def quality_of(run: Run) -> dict[str, Any]:
    """The figures of samples from the prior that gives the shortest code, by the keys of metrics.

    What is recognised is of the shortest of the priors by label, and the coverage of reconstructions stands beside.
    """
    quality = kept_quality(run)
    if quality is None:
        return {}
    figures = {one["source"]: one for one in current_figures(run, quality)}
    priors = usable_priors(run)
    best, by_label = shortest(priors), shortest(priors, conditional=True)
    source = NORMAL if not run.latent.discrete else INDEPENDENT if best is None else name_of(best)
    found: dict[str, Any] = dict(figures.get(source, {}))
    found["recognised"] = figures[name]["recognised"] if by_label and (name := name_of(by_label)) in figures else None
    if "reconstructions" in figures:
        found["coverage_of_reconstructions"] = figures["reconstructions"]["coverage"]
    return found


def name_of(prior: FittedPrior) -> Sources:
    """What figures of its samples are called."""
    if prior["conditional"]:
        return "independent by label" if prior["kind"] == "independent" else "autoregressive by label"
    return prior["kind"]


def shortest(priors: list[FittedPrior], *, conditional: bool = False) -> FittedPrior | None:
    """The prior, by default of those without labels, under which the test images' codes are the shortest, if any."""
    of_kind = [prior for prior in priors if prior["conditional"] == conditional]
    return min(of_kind, key=lambda prior: prior["code_length"]["test"]["value"], default=None)
