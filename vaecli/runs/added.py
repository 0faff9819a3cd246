"""What was added to a finished run later, for its readers: what was evaluated, and its priors over codes."""

from collections.abc import Iterator
from typing import Any

from vaecli.errors import RunError
from vaecli.runs.run import Run
from vaecli.runs.schema import FittedPrior


def added(run: Run) -> dict[str, dict[str, Any]]:
    """The figures by the first and second part of a metric's key; none where there are none to be used."""
    return {"evaluation": evaluation_of(run), "prior": prior_of(run)}


def problems(run: Run) -> Iterator[str]:
    """Why something that was added is not used."""
    for kind in ("evaluations", "priors"):
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


def prior_of(run: Run) -> dict[str, Any]:
    """The code length under the prior that gives the shortest, by the keys of metrics; none without a prior."""
    found = shortest(usable_priors(run))
    if found is None:
        return {}
    lengths = found["code_length"]
    gap = lengths["test"]["value"] - lengths["train"]["value"]
    return {"code_length": lengths["test"]["value"], "code_length_gap": gap, "kind": found["kind"]}


def shortest(priors: list[FittedPrior], *, conditional: bool = False) -> FittedPrior | None:
    """The prior, by default of those without labels, under which the test images' codes are the shortest, if any."""
    of_kind = [prior for prior in priors if prior["conditional"] == conditional]
    return min(of_kind, key=lambda prior: prior["code_length"]["test"]["value"], default=None)
