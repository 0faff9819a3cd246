"""What the columns of tables are that are neither metrics nor keys of a config."""

from typing import NamedTuple


class Term(NamedTuple):
    """A column, where it stands, and what it is."""

    name: str
    where: str
    meaning: str


RUNS, EPOCHS, CSV, COMPARED = "vaecli list", "vaecli train", "metrics.csv", "vaecli compare"
AUDIT, REPRODUCED, METHODS, DIFF = "vaecli audit", "vaecli reproduce", "vaecli methods", "vaecli diff"
OF_STEPS = "the mean over the steps since the row before, as trained on"

GLOSSARY = (
    Term(
        "run", RUNS, "The name of a run's folder: method, data (none for MNIST), a hash of all settings, and the seed."
    ),
    Term("run", EPOCHS, "The run that a row is of, where several are trained."),
    Term("status", RUNS, "finished, running, interrupted, failed, or unreadable; from its files alone."),
    Term("data", RUNS, "The data set that it was trained on."),
    Term("model", RUNS, "Its method; `vaecli explain METHOD` says what that is."),
    Term("seed", RUNS, "The seed of initial weights, batch order and every draw."),
    Term("epochs", RUNS, "The epochs or steps of its training; 3/9 where three of nine are done."),
    Term("started", RUNS, "When its training began, in UTC."),
    Term("duration", RUNS, "The time of all its training steps, without start and evaluation."),
    Term("differs", RUNS, "Its settings that are not the defaults of its method."),
    Term("name", RUNS, "The folder of a comparison, a reproduction or an audit; `vaecli show` takes it."),
    Term("made", RUNS, "When it was written, in UTC."),
    Term("what", RUNS, "What was compared, reproduced or audited."),
    Term("epoch", EPOCHS, "The epochs that are done, of all."),
    Term("epoch", CSV, "The epochs that are done; a fraction where a row stands inside an epoch."),
    Term("step", EPOCHS, "The steps that are done, of all."),
    Term("step", CSV, "The steps that are done; only with training.steps or training.evaluate_at."),
    Term("loss", EPOCHS, f"distortion + beta * rate + penalty: {OF_STEPS}."),
    Term("loss", CSV, f"distortion + beta * rate + penalty: {OF_STEPS}."),
    Term("distortion", CSV, f"The error of reconstructions, per pixel or in nats per image: {OF_STEPS}."),
    Term("rate", CSV, f"KL(q(z|x) || p(z)) in nats per image: {OF_STEPS}."),
    Term("penalty", CSV, f"What a method adds to the loss, such as a commitment loss: {OF_STEPS}."),
    Term("gradient_norm_encoder", CSV, "The L2 norm of the encoder's gradient: a mean over the steps of the epoch."),
    Term("gradient_norm_bottleneck", CSV, "The same of the weights between encoder and decoder, such as a codebook."),
    Term("gradient_norm_decoder", CSV, "The same of the decoder."),
    Term(
        "gradient_spread_encoder",
        CSV,
        "The standard deviation over the epoch's steps of the encoder's norm, in units of its mean; noise is near 1.",
    ),
    Term("seconds", EPOCHS, "The time of training since the row before, without evaluation."),
    Term("seconds", CSV, "The time of training since the row before, without evaluation."),
    Term("validation", EPOCHS, "The squared error per pixel on sampled codes of the images that were held out."),
    Term("method", COMPARED, "The method of a row, and what else distinguishes it from other rows."),
    Term("seeds", COMPARED, "The seeds that the means are over, and which are missing from them and why."),
    Term(
        "behind",
        COMPARED,
        "How far the mean is above that of the lowest row, paired by seed; not resolved where the interval has zero.",
    ),
    Term("estimator", AUDIT, "The gradient estimator g that is measured against the exact gradient g*."),
    Term("bias", AUDIT, "|E g - g*| / |g*|: how far the mean of the estimates is from the exact gradient."),
    Term("scaled bias", AUDIT, "The bias once E g has the length of g*: what is wrong with its direction alone."),
    Term("std", AUDIT, "sqrt E |g - E g|^2 / |g*|: how far single estimates lie from their mean; their noise."),
    Term("cosine", AUDIT, "Between E g and g*: 1 where the mean of the estimates points as the exact gradient does."),
    Term("mse", AUDIT, "E |g - g*|^2 / |g*|^2: squared bias and variance together; a gradient of zero has 1."),
    Term("front", AUDIT, "* where no other sampling estimator has both less bias and less std."),
    Term("ms", AUDIT, "Milliseconds for each draw of the gradient of all audited images."),
    Term("decodings", AUDIT, "Codes decoded per image and draw."),
    Term("draws", AUDIT, "Draws that the figures are over; more are taken while intervals are wide."),
    Term("warm-up", AUDIT, "Steps that an adaptive estimator learned for before it was measured."),
    Term("setting", REPRODUCED, "The setting of a source that a published figure is of."),
    Term("metric", REPRODUCED, "What was published, as its source calls it."),
    Term("at", REPRODUCED, "The epoch or step at which the figure was taken."),
    Term("published", REPRODUCED, "The published figure, and how it was come by if it was not read."),
    Term("ours", REPRODUCED, "The mean over our seeds."),
    Term("difference", REPRODUCED, "Ours less the published figure."),
    Term("tolerance", REPRODUCED, "How large a difference may be, by printed digits or the spread over seeds or logs."),
    Term("seeds", REPRODUCED, "The seeds that our mean is over."),
    Term("minutes", REPRODUCED, "The time of a training up to there, where it has still to be trained."),
    Term(
        "verdict",
        REPRODUCED,
        "verified (within the tolerance), better, not reproduced, inconclusive, toy, not expressible, no data, failed, "
        "or not run.",
    ),
    Term("method", METHODS, "What model.name takes."),
    Term("what it is", METHODS, "The method in a line."),
    Term("exact for", METHODS, "The degree in the code of losses for which its gradient is exact in expectation."),
    Term("decodings", METHODS, "Codes decoded per image and step, at the method's defaults."),
    Term("paper", METHODS, "Where it was published."),
    Term("one", DIFF, "The value of the first run."),
    Term("two", DIFF, "The value of the second run."),
    Term("two - one", DIFF, "By how much the second figure is larger."),
    Term("change", DIFF, "The difference as a share of the first figure."),
    Term(
        "source", "vaecli quality", "Where the images come from: a prior, reconstructions, or test images themselves."
    ),
)
