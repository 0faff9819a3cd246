"""A finished run in words: its results, the references, and what went wrong."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vaecli.reports.columns import folded_lines
from vaecli.reports.health import findings
from vaecli.runs import Run
from vaecli.runs.added import current_figures, kept_quality, usable_evaluations, usable_priors
from vaecli.runs.provenance import data_name
from vaecli.runs.references import references_of, references_problem, without_reference
from vaecli.runs.schema import DrawnFigures, Estimate, Evaluated, FittedPrior, Quality


def summary_lines(run: Run, width: int | None = None) -> Iterator[str]:
    """The lines that `train` prints of a finished run, of which tables fit the width.

    Raises:
        RunError: it is not finished.
    """
    summary = run.summary
    test, name = summary["test"], run.config.model.name
    data = run.info["data"]
    where = data_name(data) + (f" (fallback for {data['fallback_for']})" if data["fallback_for"] else "")
    yield f"{name} on {where}, {run.config.training.length}, {summary['parameters']:,} parameters"
    yield from _errors(test, run.config.objective.likelihood)
    yield from evaluation_lines(usable_evaluations(run))
    yield from prior_lines(run, usable_priors(run))
    if (quality := kept_quality(run)) is not None:
        yield from quality_lines(quality, current_figures(run, quality), width)
    yield from _of_mean_image(summary)
    yield from _code_use(test)
    yield from _learned(run, test["mse"]["sampled"])
    yield from _gradients(summary)
    yield from health_lines(run)


def _errors(test: Mapping[str, Any], likelihood: str) -> Iterator[str]:
    mse = test["mse"]
    discrete = test["perplexity"] is not None
    sampled, mode = ("sampled codes", "most probable codes") if discrete else ("samples", "the mean")
    line = f"  test mse per pixel  {mse['sampled']:.4f} on {sampled}, {mse['mode']:.4f} on {mode}"
    if mse["relaxed"] is not None:
        gap = mse["sampled"] - mse["relaxed"]
        line += f", {mse['relaxed']:.4f} on the relaxed sample it was trained on (relaxation gap {gap:+.4f})"
    yield line
    if test["distortion"] is not None:
        note = "; the cross-entropy of grey pixels is no likelihood" if likelihood == "bernoulli" else ""
        if test.get("scale") is not None:
            note = f"; each pixel's standard deviation was learned, {test['scale']:.4f}"
        yield (
            f"  test ELBO           {test['elbo']:.2f} nats per image = -(distortion {test['distortion']:.2f} "
            f"+ rate {test['rate']:.2f}){note}"
        )


def evaluation_lines(evaluations: Iterable[Evaluated]) -> Iterator[str]:
    """What `vaecli evaluate` measured, with the standard errors over the images of a split."""
    for one in evaluations:
        weights = " with the best weights" if one["weights"] == "best" else ""
        over = f"(± is the standard error over {one['images']:,} {one['split']} images{weights})"
        for bound in one["bounds"]:
            yield f"  bound               {_mean(bound)} nats per image, of {bound['samples']:,} samples each {over}"
        if (exact := one["negative_log_p"]) and (gap := one["posterior_gap"]):
            yield f"  -log p(x)           {_mean(exact)} nats per image, a sum over all codes {over}"
            yield f"  posterior gap       {_mean(gap)} nats per image, KL(q(z|x) || p(z|x)) over all codes"


def prior_lines(run: Run, priors: Iterable[FittedPrior]) -> Iterator[str]:
    """The code lengths under each prior of a run, and where q(z|x) is a point the sum with the distortion."""
    test, point = run.summary["test"], run.config.model.method.constant_rate
    for prior in priors:
        given = " given the label" if prior["conditional"] else ""
        lengths = prior["code_length"]
        yield (
            f"  code length         {_mean(lengths['test'])} bits per image{given}, {prior['kind']} prior (± is the "
            f"standard error over the test images; training images {lengths['train']['value']:.2f})"
        )
        if point and not prior["conditional"] and test["distortion"] is not None:
            nats = math.log(2) * lengths["test"]["value"]
            yield (
                f"  lossy code          {test['distortion'] + nats:.2f} nats per image = distortion "
                f"{test['distortion']:.2f} + code length {nats:.2f}, a bound on -log p(x)"
            )


OF_SAMPLES = ("source", "precision", "recall", "density", "coverage", "recognised", "label entropy", "nearer")


def quality_lines(quality: Quality, figures: Iterable[DrawnFigures], width: int | None = None) -> Iterator[str]:
    """How alike images of each source are to test images; with a width the table is folded to it."""
    yield (
        f"  samples             {quality['count']:,} of each against as many test images, in the features of a "
        f"classifier that is right for {100 * quality['accuracy']:.1f}% of the test images"
    )
    rows = [OF_SAMPLES]
    for one in figures:
        shares = [f"{one[key]:.3f}" for key in ("precision", "recall", "density", "coverage")]
        right = "" if one["recognised"] is None else f"{one['recognised']:.3f}"
        entropy = f"{one['label_entropy']:.2f} of {quality['label_entropy']:.2f}"
        rows.append((one["source"], *shares, right, entropy, f"{one['nearer']:.3f}"))  # type: ignore[arg-type]
    yield from (f"    {line}" for line in folded_lines(rows, width and width - 4))


def _mean(found: Estimate) -> str:
    error = found["standard_error"]
    return f"{found['value']:.2f}" + ("" if error is None else f" ± {error:.2f}")


def _of_mean_image(summary: Mapping[str, Any]) -> Iterator[str]:
    found = summary.get("mean_image")
    if found:
        nats = "" if found["distortion"] is None else f", a distortion of {found['distortion']:.2f} nats per image"
        yield f"  mean image          {found['mse']:.4f} per pixel{nats}"


def _code_use(test: Mapping[str, Any]) -> Iterator[str]:
    rate = f"  rate                {test['rate']:.3f} nats = {test['bits']:.2f} bits"
    if test["capacity_bits"] is None:
        yield f"{rate} per image"
        return
    yield f"{rate} of {test['capacity_bits']:.2f} per image"
    line = f"  codes               perplexity {test['perplexity']:.2f}, {100 * test['codes_used']:.0f}% used"
    if test["nmi"] is not None:
        line += f"; against the labels NMI {test['nmi']:.2f}"
    if test["accuracy"] is not None:
        line += f", best-matching accuracy {100 * test['accuracy']:.0f}%"
    yield line


def _learned(run: Run, mse: float) -> Iterator[str]:
    references = references_of(run)
    share = references.learned(run.latent, mse) if references else None
    problem = None if references else references_problem(run)
    if problem:
        yield f"  learned             unknown: {problem}"
    elif (reason := without_reference(run)) is not None:
        yield f"  learned             {reason}"
    elif references is not None and references.limit(run.latent) is not None and share is None:
        (_, lowest), (label, best) = references.lines(run.latent)
        yield f"  learned             nothing: {label} ({best:.4f}) is no better than the mean image ({lowest:.4f})"
    elif references is None or share is None:
        yield "  learned             unknown until `vaecli data references` has computed the references"
    else:
        (_, lowest), (label, best) = references.lines(run.latent)
        way = f"from the mean image ({lowest:.4f}) to {label} ({best:.4f})"
        yield f"  learned             {100 * share:z.0f}% of the way {way}"


def _gradients(summary: Mapping[str, Any]) -> Iterator[str]:
    norms = ", ".join(f"{part} {norm:.2e}" for part, norm in summary["gradient_norm"].items())
    yield f"  gradient norm       {norms} (mean over the last epoch's steps)"


def health_lines(run: Run) -> Iterator[str]:
    """A line for each thing that went wrong, in a run that may be unfinished."""
    yield from (f"  health              {finding}" for finding in findings(run))
