"""What a config is refused for on this machine, asked without TensorFlow."""

import re
from pathlib import Path

from vaecli.config.schema import Config, MlpConfig

PROCESSORS, DEVICES = Path("/proc/cpuinfo"), Path("/dev")
# Instructions for products of bfloat16, the fastest first, and the units of a hidden layer from which on dense layers
# gain by them.
WIDE = {"amx_bf16": 512, "avx512_bf16": 2048}
MANY = 512  # images of a batch, likewise


def slower(config: Config) -> str | None:
    """Why mixed_bfloat16 is slower than float32 here; None where it is not, or where it is asked for all the same.

    On a processor it goes through TensorFlow's own kernels, as a graph. Dense layers in float32 are faster by XLA. Its
    step takes, over that in bfloat16, of `gumbel`, `vqvae` and `rebar` (two cores each; tests/benchmarks/modes.py):

    - with AMX and batches of 512, 1.03 to 1.22 at 512-256, 1.36 to 1.56 at 1024-512 and 1.58 to 1.77 at 2048-1024; with
      batches of 256, 0.99 to 1.11 at 1024-512 and 1.17 to 1.44 at 2048-1024; with batches of 128, less than 1;
    - with AVX512_BF16 alone, at 2048-1024, 1.47 with batches of 512 and 0.98 with 128.
    """
    training = config.training
    if training.precision == "float32" or training.force_precision or has_gpu():
        return None
    wide = next((units for flag, units in WIDE.items() if flag in _flags()), None)
    if wide is None:
        return "this processor has neither AMX nor AVX512_BF16, and there is no GPU"
    if training.compile == "xla":
        return "on a processor XLA computes it slower than float32, and a graph does not"
    network = config.network
    if isinstance(network, MlpConfig) and (max(network.hidden, default=0) < wide or training.batch_size < MANY):
        return f"dense layers gain by it here from {wide:,} units and batches of {MANY} on"
    return None


def has_gpu() -> bool:
    """Whether there is a device of a GPU's driver."""
    return any(DEVICES.glob("nvidia[0-9]*")) or (DEVICES / "kfd").exists()


def _flags() -> set[str]:
    """The names of the processor's instruction sets; none where they are unknown."""
    try:
        flags = re.search(r"^flags\s*:(.*)$", PROCESSORS.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:  # not Linux
        return set()
    return set(flags[1].split()) if flags else set()
