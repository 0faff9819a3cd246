"""What checkpoints cost: epochs on MNIST at the article's size with and without them, in turns, in one run.

    python tests/benchmarks/checkpoint_cost.py [--config gumbel] [--epochs 60]

Every other epoch follows the rule of `vaecli train`: a state at the epoch's end unless the last is younger than two
seconds (of the epochs that save). The time of an epoch is that of its compiled calls and of the saving; evaluation is
left out, which makes the share larger than it is in a run. Exits with 1 if it is above MOST.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from vaecli.backend.process import import_keras, prepare

prepare()
import_keras()

from vaecli.config import read_config  # noqa: E402
from vaecli.data import load  # noqa: E402
from vaecli.experiment.journal import Journal  # noqa: E402
from vaecli.experiment.plan import plan_run  # noqa: E402
from vaecli.experiment.train import YOUNG  # noqa: E402
from vaecli.models.autoencoder import build  # noqa: E402
from vaecli.training.trainer import Trainer  # noqa: E402

MOST = 0.03


class Silent:
    """A Reporter that shows nothing."""

    def say(self, line: str) -> None: ...

    def progress(self, chunk: object, trainer: object) -> None: ...

    def epoch(self, row: object, epochs: int) -> None: ...


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="gumbel")
    parser.add_argument("--epochs", type=int, default=60, help="of each kind")
    args = parser.parse_args()
    config = read_config(args.config, [f"training.epochs={2 * args.epochs + 1}", "data.fallback=null"])
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_run(config, load(config.data), Path(folder))
        trainer = Trainer(build(config, plan.dataset.image_shape), plan.dataset, config)
        journal = Journal(plan, trainer, Silent())
        spent = {True: 0.0, False: 0.0}  # seconds, with checkpoints and without
        saving = age = 0.0
        saves = 0
        for chunk in trainer.chunks(trainer.initial_state()):
            if chunk.metrics is None or chunk.state.epoch == 1:  # the first epoch compiles
                continue
            with_checkpoints = chunk.state.epoch % 2 == 0
            seconds = chunk.row_seconds
            age += seconds * with_checkpoints
            if with_checkpoints and age >= YOUNG:
                start = time.perf_counter()
                journal.save(chunk.state)
                took = time.perf_counter() - start
                seconds, saving, saves, age = seconds + took, saving + took, saves + 1, 0.0
            spent[with_checkpoints] += seconds
    on, off = spent[True] / args.epochs, spent[False] / args.epochs
    share, each = saving / (spent[True] - saving), 1000 * saving / saves
    print(
        f"{args.epochs} epochs each: {on:.4f} s per epoch with checkpoints, {off:.4f} s without ({on / off - 1:+.2%})"
    )
    print(f"{saves} checkpoints of {each:.1f} ms are {share:.2%} of the training time (at most {MOST:.0%})")
    sys.exit(0 if share <= MOST else 1)


if __name__ == "__main__":
    main()
