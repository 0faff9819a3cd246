"""`vaecli encode`, `decode` and `reconstruct`: files in, files out."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from helpers import copied, small_config, written
from vaecli import load_run
from vaecli.config import config_from_text
from vaecli.data.digits import digits
from vaecli.runs.run import file_digest

PIXELS = digits().test.images[:300, ..., 0]  # more than one chunk
FLOATS = PIXELS.astype(np.float32) / 16
THREE = "{name: gumbel, num_latents: 3}"
SMALL_CONV = "network: {kind: conv, channels: [4]}\ndata: digits\ntraining: {epochs: 1, output_bias: zero}\n"
CONFIGS = {
    "vae": small_config("vae"),
    "three codes": small_config(THREE),
    "vqvae": small_config("vqvae"),
    "a grid": config_from_text("model: {name: vqvae, num_codes: 8, code_dim: 4}\n" + SMALL_CONV),
    "a sum": config_from_text("model: {name: residual, stages: 3}\n" + SMALL_CONV),
    "a grid of vectors": config_from_text("model: {name: vae, latent_dim: 2}\n" + SMALL_CONV),
}
LAYOUTS = {
    "vae": (10,),
    "three codes": (3,),
    "vqvae": (1,),
    "a grid": (4, 4, 1),
    "a sum": (4, 4, 3),
    "a grid of vectors": (4, 4, 2),
}


@pytest.fixture
def images(vaecli):
    np.savez("mine.npz", x_test=PIXELS)
    return Path("mine.npz")


@pytest.fixture
def run(vaecli, once):
    """A copy of a run of three codes, in outputs/ of the current folder."""
    return copied(once(CONFIGS["three codes"]), Path("outputs"))


def arrays(path):
    with np.load(path, allow_pickle=False) as found:
        return dict(found)


@pytest.mark.parametrize("name", CONFIGS)
def test_decode_of_encode_is_reconstruct_bit_for_bit_and_both_are_load_runs(vaecli, once, images, name):
    run = once(CONFIGS[name])
    for arguments in (["encode", images], ["reconstruct", images], ["decode", "encode.npz"]):
        done = vaecli(arguments[0], f"{run.path}/", arguments[1], "-o", f"{arguments[0]}.npz")
        assert (done.stdout, done.exit_code) == (f"{arguments[0]}.npz\n", 0), done.stderr
    assert np.array_equal(arrays("decode.npz")["images"], arrays("reconstruct.npz")["images"])
    trained, codes = load_run(run.path), arrays("encode.npz")
    assert np.array_equal(arrays("reconstruct.npz")["images"], trained.reconstruct(PIXELS))
    encoded = trained.encode(FLOATS)
    latents = codes["latents" if encoded.codes is None else "codes"]
    assert latents.shape == (300, *LAYOUTS[name])
    assert np.array_equal(latents.ravel(), (encoded.z if encoded.codes is None else encoded.codes).ravel())
    assert np.array_equal(codes["rate"], encoded.rate)
    assert str(codes["run"]) == run.name
    assert str(codes["weights_sha256"]) == file_digest(run.path / "weights/last.npz")


def test_images_are_the_first_array_of_a_file_or_a_split_of_the_runs_own_data(vaecli, run):
    np.savez("both.npz", x_train=FLOATS[5:], x_test=FLOATS[:5])
    np.savez_compressed("named.npz", images=PIXELS[:5], x_test=PIXELS[5:])
    np.save("single.npy", PIXELS[:5].reshape(5, 64))
    np.savez("others.npz", train_images=PIXELS[5:], test_images=PIXELS[:5])
    np.savez("unnamed.npz", PIXELS[:5])
    reads = {"both.npz": "x_test", "named.npz": "images", "single.npy": "images", "others.npz": "test_images"}
    for file, read in (reads | {"unnamed.npz": "arr_0"}).items():
        done = vaecli("encode", run.name, file, "-o", "codes.npz", "--force")
        assert done.stderr.splitlines()[0] == f"{run.name}: 5 images of {file} ({read}) -> codes.npz"
        assert np.array_equal(arrays("codes.npz")["codes"], load_run(run.path).encode(PIXELS[:5]).codes)
    done = vaecli("encode", run.name, "test", "-o", "test.npz", "--weights", "epoch-00001")
    assert done.stderr.splitlines()[0] == f"{run.name}: 360 test images of its own data -> test.npz"
    expected = load_run(run.path, weights="epoch-00001").encode(digits().test.images).codes
    assert np.array_equal(arrays("test.npz")["codes"], expected)
    assert str(arrays("test.npz")["weights"]) == "epoch-00001"


def test_images_in_the_users_home_are_found_without_a_shell(vaecli, run, images, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert vaecli("encode", run.name, "~/mine.npz", "-o", "codes.npz").exit_code == 0


def test_a_seed_draws_a_sample(vaecli, run, images):
    for seed, file in ((1, "one.npz"), (1, "again.npz"), (2, "two.npz")):
        vaecli("encode", run.name, images, "-o", file, "--seed", seed, "-q")
    one, again, two = (arrays(file)["codes"] for file in ("one.npz", "again.npz", "two.npz"))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, two)
    vaecli("decode", run.name, "one.npz", "-o", "decoded.npz")
    vaecli("reconstruct", run.name, images, "-o", "drawn.npz", "--seed", 1)
    assert np.array_equal(arrays("decoded.npz")["images"], arrays("drawn.npz")["images"])


def test_codes_of_other_weights_are_decoded_and_it_is_said(vaecli, run, images):
    vaecli("encode", run.name, images, "-o", "codes.npz", "--weights", "epoch-00001")
    done = vaecli("decode", run.name, "codes.npz", "-o", "images.npz")
    assert done.stderr.startswith(f"codes.npz: made by other weights ({run.name}, weights epoch-00001)")
    assert done.exit_code == 0
    own = vaecli("decode", run.name, "codes.npz", "-o", "own.npz", "--weights", "epoch-00001")
    assert "other weights" not in own.stderr
    np.save("codes.npy", arrays("codes.npz")["codes"])
    assert "other weights" not in vaecli("decode", run.name, "codes.npy", "-o", "plain.npz").stderr


def test_nothing_is_overwritten_unless_it_is_asked_for_and_nothing_else_is_left(vaecli, run, images):
    before = hashlib.sha256(images.read_bytes()).hexdigest()
    refused = vaecli("encode", run.name, images, "-o", images)
    assert refused.stderr.startswith("mine.npz: already exists; --force overwrites it")
    os.mkfifo("pipe.npz")
    device = vaecli("encode", run.name, images, "-o", "pipe.npz", "--force")
    assert device.stderr == "pipe.npz: is no regular file; choose another place with --output\n"
    os.unlink("pipe.npz")
    assert hashlib.sha256(images.read_bytes()).hexdigest() == before
    there = set(written(Path()))
    assert vaecli("encode", run.name, images, "-o", "codes").exit_code == 0
    assert set(written(Path())) - there == {"codes"}
    assert vaecli("reconstruct", run.name, images, "-o", "codes", "--force").exit_code == 0
    assert "images" in arrays("codes")


BAD = {
    "floats of 0 to 255": ({"x_test": PIXELS.astype(float)}, "bad.npz: x_test: float pixels must lie in [0, 1], and"),
    "another range": ({"images": PIXELS * 9}, "bad.npz: images: integer pixels lie in 0..16 here, received 0 to 144"),
    "NaN": ({"x_train": FLOATS * np.nan}, "bad.npz: x_train: pixels that are NaN or infinite: 19,"),
    "another shape": ({"images": PIXELS[:, 1:]}, "images of bad.npz (images): images [N, 8, 8] are needed, received"),
    "no images": ({"x": PIXELS}, "bad.npz: an array images or x_test or x_train or "),
}


@pytest.mark.parametrize("case", BAD)
def test_images_that_training_would_refuse_are_refused_in_its_words(vaecli, run, case):
    found, line = BAD[case]
    np.savez("bad.npz", **found)
    for command in ("encode", "reconstruct"):
        done = vaecli(command, run.name, "bad.npz", "-o", "out.npz")
        assert done.stderr.splitlines()[-1].startswith(line)
        assert (done.exit_code, Path("out.npz").exists()) == (2, False)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["encode", "RUN", "validation"], "RUN: validation: data.validation held no images out"),
        (["encode", "RUN", "absent.npz"], "absent.npz: no such file, an npz is needed"),
        (["encode", "RUN", "outputs"], "outputs: is a folder; images are read from an npz or npy file"),
        (["encode", "RUN", "text.npz"], "text.npz: not a readable npz"),
        (["encode", "xyz", "mine.npz"], "xyz: no such run in outputs"),
        (
            ["encode", "RUN", "mine.npz", "--weights", "best"],
            "outputs/RUN/weights/best.npz: the run has no such weights;",
        ),
        (["encode", "RUN", "mine.npz", "-o", "no/codes.npz"], "no/codes.npz: there is no folder no"),
        (["encode", "RUN", "mine.npz", "-o", "outputs"], "outputs: is a folder; choose another place"),
        (["decode", "RUN", "text.npz"], "text.npz: not a readable npz"),
        (["decode", "RUN", "mine.npz"], "mine.npz: an array codes is needed, found ['x_test']"),
        (["decode", "RUN", "far.npz"], "far.npz: codes lie in 0..9, received 10..10"),
        (["decode", "RUN", "two.npy"], "two.npy: integer codes [N, 3] are needed, received int64 of shape (4, 2)"),
    ],
)
def test_a_mistake_is_one_line(vaecli, run, images, arguments, line):
    Path("text.npz").write_bytes(b"PK\x03\x04 and no more")
    np.savez("far.npz", codes=np.full((2, 3), 10))
    np.save("two.npy", np.zeros((4, 2), int))
    before = written(Path())
    given = [word.replace("RUN", run.name) for word in arguments]
    done = vaecli(*given, *([] if "-o" in given else ["-o", "out.npz"]))
    assert done.stderr.splitlines()[-1].startswith(line.replace("RUN", run.name))
    assert (done.stdout, done.exit_code) == ("", 2)
    assert written(Path()) == before


def test_a_point_has_no_sample_and_an_unfinished_run_nothing_yet(vaecli, once, images):
    run = copied(once(CONFIGS["vqvae"]), Path("outputs"))
    done = vaecli("encode", run.name, images, "-o", "codes.npz", "--seed", 1)
    assert done.stderr == f"{run.name}: --seed 1: vqvae has a point for q(z|x), and no samples\n"
    run.summary_json.unlink()
    for command in ("encode", "decode", "reconstruct"):
        done = vaecli(command, run.name, images, "-o", "codes.npz")
        assert done.stderr.startswith(f"{run.name}: not finished (interrupted)")
        assert (done.stderr.count("\n"), done.exit_code) == (1, 2)
