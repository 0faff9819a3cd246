"""The pictures of the README, made of real runs on MNIST.

    python tests/benchmarks/readme_pictures.py FOLDER

Writes into .github/images what `vaecli train gumbel` says, the reconstructions of the five methods and of `exact`, and
an audit of estimators where `exact` has led. What is finished in FOLDER is not made again: remove FOLDER/train.txt to
record the training again. Takes some minutes on two cores.
"""

import argparse
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from measure import mnist_npz

IMAGES = Path(__file__).parents[2] / ".github" / "images"
COLUMNS = 80
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas"
METHODS = ("vae", "categorical", "gumbel", "straight_through", "vqvae", "exact")
ESTIMATORS = (
    *("gumbel", "straight_through", "gumbel_st", "gumbel_rao", "darn", "zgr", "reinmax"),
    *("reinforce", "rloo", "arsm", "rebar", "relax"),
)
DARK = TerminalTheme((22, 27, 34), (201, 209, 217), [(0, 0, 0)] * 8, [(0, 0, 0)] * 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    IMAGES.mkdir(exist_ok=True)
    if not (folder / "data").exists():
        (folder / "data").symlink_to(mnist_npz().parent)  # its name is part of what is recorded

    said = folder / "train.txt"
    if not said.is_file():
        said.write_text(vaecli("train", "gumbel", "--fresh", folder=folder), encoding="utf-8")
    svg = recording("vaecli train gumbel", said.read_text(encoding="utf-8"))
    (IMAGES / "train.svg").write_text(svg, encoding="utf-8")

    vaecli("compare", *METHODS, "--output", "comparison", folder=folder)
    shutil.copy(folder / "comparison" / "reconstructions.png", IMAGES / "reconstructions.png")

    vaecli("audit", "exact", "--estimators", ",".join(ESTIMATORS), folder=folder)
    newest = max(folder.glob("outputs/audit-*/bias_variance.png"), key=lambda file: file.stat().st_mtime)
    shutil.copy(newest, IMAGES / "bias_variance.png")


def vaecli(*arguments: str, folder: Path) -> str:
    """What a command says, as a terminal of 80 columns shows it when the bars are gone."""
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "VAECLI_DATA_DIR": "data"}
    command = [sys.executable, "-m", "vaecli", *arguments]
    print("vaecli", *arguments, flush=True)
    process = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if process.returncode:
        sys.exit(process.stdout)
    return process.stdout


def recording(command: str, said: str) -> str:
    """A picture of a terminal as SVG, which loads no font from anywhere."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.assemble(("$ ", "bold"), (command, "bold")))
    console.print(Text(said.rstrip()))
    svg = console.export_svg(title="vaecli", theme=DARK, unique_id="recorded")
    return re.sub(r"@font-face {.*?}\n", "", svg, flags=re.DOTALL).replace("Fira Code", FONTS)


if __name__ == "__main__":
    main()
