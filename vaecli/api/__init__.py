"""The public functions: what the commands of the same names do, for a notebook or a program.

They print nothing to stdout. Messages go to stderr, as those of the commands do, unless `quiet` is set. A mistake
raises a VaecliError (vaecli/errors.py) whose lines name the place, the value and the way out, with the command's
options.

Ctrl-C and SIGTERM, which Python delivers to its first thread only, let a training save its state: Interrupted is
raised, and the same call resumes. Signal handlers and environment are restored afterwards. TensorFlow, its log and
file descriptor 2 belong to the whole process, so only one thread trains or audits at a time.
"""

from vaecli.api.applying import decode, encode, reconstruct
from vaecli.api.auditing import AUDIT_DRAWS, TEMPERATURES, TOY_DRAWS, Measurements, audit
from vaecli.api.comparison import FAMILIES, Comparison, compare
from vaecli.api.exporting import export
from vaecli.api.figures import GUMBEL_MAX, plot
from vaecli.api.likelihood import Likelihood, evaluate
from vaecli.api.priors import Prior, prior
from vaecli.api.pruning import Pruned, prune
from vaecli.api.reproduction import Reproduction, reproduce
from vaecli.api.sample_quality import SampleQuality, quality
from vaecli.api.sampling import SHOWN, sample
from vaecli.api.toys import Toys, toy
from vaecli.api.training import config_of, train
from vaecli.api.verification import Verification, verify

__all__ = [
    "AUDIT_DRAWS",
    "FAMILIES",
    "GUMBEL_MAX",
    "SHOWN",
    "TEMPERATURES",
    "TOY_DRAWS",
    "Comparison",
    "Likelihood",
    "Measurements",
    "Prior",
    "Pruned",
    "Reproduction",
    "SampleQuality",
    "Toys",
    "Verification",
    "audit",
    "compare",
    "config_of",
    "decode",
    "encode",
    "evaluate",
    "export",
    "plot",
    "prior",
    "prune",
    "quality",
    "reconstruct",
    "reproduce",
    "sample",
    "toy",
    "train",
    "verify",
]
