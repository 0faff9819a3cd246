"""What `vaecli evaluate` measured of a run, for its readers."""

from typing import Any

from vaecli.errors import RunError
from vaecli.runs.run import Run


def evaluation_of(run: Run) -> dict[str, Any]:
    """The figures of the last weights on the test split, by the keys of metrics; none if there are none to be used.

    Of several bounds it is the one of the most samples.
    """
    try:
        evaluations = run.evaluations
    except RunError:
        return {}
    for one in evaluations:
        if (one["split"], one["weights"]) == ("test", "last"):
            means = {key: one[key] for key in ("negative_log_p", "posterior_gap")}
            figures: dict[str, Any] = {key: found and found["value"] for key, found in means.items()}
            if one["bounds"]:
                figures |= {"bound": one["bounds"][-1]["value"], "bound_samples": one["bounds"][-1]["samples"]}
            return figures
    return {}


def evaluation_problem(run: Run) -> str | None:
    """Why what was evaluated is not used; None if it is, or if there is nothing."""
    try:
        _ = run.evaluations
    except RunError as error:
        return error.lines[0]
    return None
