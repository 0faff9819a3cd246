"""What a config is refused for on this machine, asked without TensorFlow."""

import re
from pathlib import Path

from vaecli.config.schema import Config, MlpConfig

PROCESSORS, DEVICES = Path("/proc/cpuinfo"), Path("/dev")
BFLOAT16 = {"amx_bf16", "avx512_bf16"}  # instructions for products of bfloat16
WIDE, MANY = 2048, 512  # units of a hidden layer and images of a batch with which dense layers gain by it


def slower(config: Config) -> str | None:
    """Why mixed_bfloat16 is slower than float32 here; None where it is not, or where it is asked for all the same.

    On a processor it goes through TensorFlow's own kernels, as a graph. Dense layers in float32 are faster by XLA: with
    batches of 128 that takes 0.98 of the time at 2048-1024 and less at smaller sizes, with batches of 512 it takes 1.47
    times as long (two AMD EPYC cores with AVX512_BF16; tests/benchmarks/modes.py).
    """
    training = config.training
    if training.precision == "float32" or training.force_precision or has_gpu():
        return None
    if not multiplies_bfloat16():
        return "this processor has neither AMX nor AVX512_BF16, and there is no GPU"
    if training.compile == "xla":
        return "on a processor XLA computes it slower than float32, and a graph does not"
    network = config.network
    if isinstance(network, MlpConfig) and (max(network.hidden, default=0) < WIDE or training.batch_size < MANY):
        return f"dense layers gain by it from {WIDE:,} units and batches of {MANY} on"
    return None


def has_gpu() -> bool:
    """Whether there is a device of a GPU's driver."""
    return any(DEVICES.glob("nvidia[0-9]*")) or (DEVICES / "kfd").exists()


def multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for products of bfloat16."""
    try:
        flags = re.search(r"^flags\s*:(.*)$", PROCESSORS.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:  # not Linux
        return False
    return flags is not None and not BFLOAT16.isdisjoint(flags[1].split())
