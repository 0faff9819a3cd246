"""A folder of many pictures, some of them broken: are they decoded once, and is every broken one named?

    python tests/benchmarks/pictures.py [--pictures 10000] [--broken 50] [--size 32]

Makes PNGs of mixed sizes and modes (black and white, grey, 16 bits, palette, colour, with alpha) in ten sub-folders,
and among them broken ones: cut off, of zero length, text, a bomb, with frames, links out of the folder. Reads the
folder in three processes: the first decodes, the second takes the cache, and after one picture has changed the third
decodes again. Prints the seconds of each, without imports, and the peak memory of each process. Exits with 1 if
pictures or names differ between the two first, a broken one is not named, or the second takes more than MOST_SECONDS.
"""

import argparse
import json
import os
import struct
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from measure import measure

MODES = ("1", "L", "I;16", "P", "RGB", "LA", "RGBA")
MOST_SECONDS = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--broken", type=int, default=50)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read:
        print(json.dumps(read(args.read, args.size)))
        return
    with tempfile.TemporaryDirectory(prefix="vaecli-pictures-") as folder:
        root, cache = Path(folder, "pictures"), Path(folder, "data")
        broken = make(root, args.pictures, args.broken)
        found = []
        for turn in ("decoded", "from the cache", "one changed"):
            if turn == "one changed":
                next(root.rglob("picture-*.png")).touch()
            command = [sys.executable, __file__, "--read", str(root), "--size", str(args.size)]
            measured = measure(command, VAECLI_DATA_DIR=str(cache))
            found.append(json.loads(measured.stdout))
            print(f"{turn:15} {found[-1]['seconds']:6.2f} s  peak {measured.peak_mb:,.0f} MB", flush=True)
    unnamed = [name for name in broken if not any(name in line for line in found[0]["said"])]
    same = {key: value for key, value in found[0].items() if key != "seconds"}
    again = {key: value for key, value in found[1].items() if key != "seconds"}
    print(f"{found[0]['pictures']:,} pictures, {len(broken) - len(unnamed)} of {len(broken)} broken ones named")
    sys.exit(1 if unnamed or same != again or found[1]["seconds"] > MOST_SECONDS else 0)


def read(root: Path, size: int) -> dict[str, object]:
    """The folder as a training reads it: its pictures' checksum, what was said, and how long it took."""
    from vaecli.config import config_from_text
    from vaecli.data import load

    config = config_from_text(f"{{model: vqvae, data: {{name: folder, path: '{root}', size: {size}, channels: 3}}}}")
    start = time.perf_counter()
    data = load(config.data)
    seconds = time.perf_counter() - start
    checksum = [zlib.crc32(split.images.tobytes()) for split in (data.train, data.test)]
    return {
        "seconds": seconds,
        "pictures": len(data.train) + len(data.test),
        "checksum": checksum,
        "said": list(data.made),
    }


def make(root: Path, pictures: int, broken: int) -> list[str]:
    """Fills the folder, and returns the names of what cannot be read."""
    rng = np.random.default_rng(0)
    for label in range(10):
        (root / str(label)).mkdir(parents=True)
    names = []
    every = pictures // broken
    for number in range(pictures):
        folder = root / str(number % 10)
        if number % every or len(names) == broken:
            picture(rng, MODES[number % len(MODES)]).save(folder / f"picture-{number:05}.png")
        else:
            names.append(spoilt(rng, folder, number, len(names) % 6))
    return names


def picture(rng: np.random.Generator, mode: str) -> Image.Image:
    """Noise of a random size."""
    high, wide = rng.integers(8, 96, 2)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 1 << 16, (high, wide), dtype=np.uint16))
    return Image.fromarray(rng.integers(0, 256, (high, wide, 3), dtype=np.uint8)).convert("RGBA").convert(mode)


def spoilt(rng: np.random.Generator, folder: Path, number: int, kind: int) -> str:
    """Writes a file that cannot be read as a picture, of one of six kinds, and returns its name."""
    path = folder / f"broken-{number:05}.png"
    if kind == 0:
        picture(rng, "RGB").save(path)
        path.write_bytes(path.read_bytes()[:100])
    elif kind == 1:
        path.touch()
    elif kind == 2:
        path.write_text("<!DOCTYPE html>")
    elif kind == 3:  # a header that promises 10^10 pixels
        header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
        chunk = b"IHDR" + header
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)))
    elif kind == 4:
        frames = [picture(rng, "RGB").resize((16, 16)) for _ in range(3)]
        frames[0].save(path, format="PNG", save_all=True, append_images=frames[1:])
    else:
        os.symlink("/etc/hostname", path)
    return path.name


if __name__ == "__main__":
    main()
