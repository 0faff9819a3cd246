"""Mutated configs: is each a valid config, or refused with exit code 2 in lines that name their place?

    python tests/benchmarks/hostile_configs.py [--count 10000] [--seed 0]

Templates of all methods, with bytes, lines and values cut, doubled, swapped and replaced by what breaks readers of
YAML; every third with overrides as hostile. Exits with 1 on any traceback, any other exit code and any line that names
no file:line:column and no override.
"""

import argparse
import random
import re
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from vaecli.config import read_config, template
from vaecli.errors import USAGE, ConfigError
from vaecli.registry import METHODS

VALUES = (
    *("", "~", "yes", "0x10", "1e999", "-1", "-.inf", ".nan", "1_000", "10" * 400, "1e-3", "true", "''", '"\\0"', "٣"),
    *("[", "]", "{", "}", "[[[[", "{a: {b: }}", "!!python/object/apply:os.system [id]", "!!binary aGk=", "!foo bar"),
    *("&a [*a]", "*a", "<<: *a", "|", ">", "? ", "- -", "---", "...", "%YAML 9.9", "@", "`", "\t", "\x00", "\x1b[2J"),
    *(
        "2001-01-01",
        "gumble",
        "vae\nmodel: gumbel",
        "[512, 256]",
        "[0]",
        "[1.5]",
        "65537",
        "1.0",
        "NO",
        "\ufeff",
        "\u2028",
    ),
)
WORDS = ("model", "training", "name", "seed", "epochs", "hidden", "beta", "temperature", "trainin", "model.name", "")


def mutated(text: str, chance: random.Random) -> bytes:
    """The text after one to six hostile edits."""
    for _ in range(chance.randint(1, 6)):
        lines = text.split("\n")
        at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        start = chance.randrange(len(text) + 1)
        end = start + chance.randint(0, 12)
        key = lines[at].partition(":")[0]
        match chance.randrange(7):
            case 0:
                text = text[:start] + text[end:]
            case 1:
                text = text[:start] + chance.choice(VALUES) + text[end:]
            case 2:
                lines[at] = f"{key}: {chance.choice(VALUES)}"
                text = "\n".join(lines)
            case 3:
                lines[at], lines[other] = lines[other], lines[at]
                text = "\n".join(lines)
            case 4:
                text = "\n".join([*lines[:at], lines[other], *lines[at:]])
            case 5:
                lines[at] = lines[at].replace(key.strip() or " ", chance.choice(WORDS))
                text = "\n".join(lines)
            case _:
                text = text[:start] + chr(chance.choice((0, 9, 13, 27, 127, 133, 0xFEFF, 0x1F600, 0xE9))) + text[start:]
    raw = text.encode()
    if chance.random() < 0.1:
        place = chance.randrange(len(raw) + 1)
        raw = raw[:place] + bytes([chance.randrange(256)]) + raw[place + 1 :]
    return raw


def overrides(chance: random.Random) -> list[str]:
    """None, or a few that no sane person writes."""
    if chance.randrange(3):
        return []
    paths = (".".join(chance.choices(WORDS, k=chance.randint(1, 3))) for _ in range(chance.randint(1, 3)))
    return [f"{path}{chance.choice(('=', '', '=='))}{chance.choice(VALUES)}" for path in paths]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    chance = random.Random(args.seed)
    templates = [template(method) for method in METHODS]
    tally: Counter[str] = Counter()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hostile.yaml"
        placed = re.compile(rf"{re.escape(str(path))}:\d+:\d+: |--set ")
        for _ in range(args.count):
            raw, settings = mutated(chance.choice(templates), chance), overrides(chance)
            path.write_bytes(raw)
            outcome = _outcome(path, settings, placed)
            tally[outcome] += 1
            if outcome not in ("valid", "refused"):
                print(f"{outcome}\n  {raw!r}\n  {settings!r}", file=sys.stderr)
    seconds = time.perf_counter() - start
    print(f"{args.count:,} configs in {seconds:.1f} s: " + ", ".join(f"{n:,} {what}" for what, n in tally.items()))
    sys.exit(0 if tally.keys() <= {"valid", "refused"} else 1)


def _outcome(path: Path, settings: list[str], placed: re.Pattern[str]) -> str:
    try:
        read_config(str(path), settings)
    except ConfigError as error:
        wrong = [line for line in error.lines if not placed.match(line) or not line.isprintable()]
        if wrong or error.exit_code != USAGE:
            return f"without a place: {wrong}"
        return "refused"
    except BaseException:
        return f"traceback: {traceback.format_exc()}"
    return "valid"


if __name__ == "__main__":
    main()
