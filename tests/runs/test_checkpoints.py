import os

import numpy as np

from vaecli.runs import checkpoints
from vaecli.runs.files import to_npz
from vaecli.runs.run import set_aside


def save(folder, *steps, best=None):
    names = {f"step-{step:09d}": step for step in steps} | ({} if best is None else {"best": best})
    for name, step in names.items():
        (folder / f"{name}.npz").write_bytes(checkpoints.seal(to_npz({"step": np.int64(step)})))
        checkpoints.prune(folder)


def newest(folder):
    """The newest whole state, and the damaged ones that are passed over on the way."""
    damaged = []
    for path, arrays in checkpoints.states(folder):
        if arrays is not None:
            return arrays, damaged
        damaged.append(path)
    return None, damaged


def test_the_newest_two_and_the_best_are_kept(tmp_path):
    save(tmp_path, 5, best=5)
    save(tmp_path, 10, 15)
    assert sorted(os.listdir(tmp_path)) == ["best.npz", "step-000000010.npz", "step-000000015.npz"]


def test_the_newest_is_loaded(tmp_path):
    save(tmp_path, 5, 10, best=5)
    arrays, damaged = newest(tmp_path)
    assert (arrays["step"], damaged) == (10, [])


def test_without_any_there_is_no_state(tmp_path):
    assert newest(tmp_path / "none") == (None, [])


def test_any_flipped_bit_and_any_lost_end_is_noticed(tmp_path):
    """Also in the zip's own bytes, where no checksum of an array looks."""
    save(tmp_path, 5, 10)
    last = tmp_path / "step-000000010.npz"
    whole = last.read_bytes()
    flipped = [whole[:i] + bytes([whole[i] ^ (1 << i % 8)]) + whole[i + 1 :] for i in range(len(whole))]
    cut = [whole[:i] for i in range(0, len(whole), 7)]
    for raw in [*flipped, *cut, b"hello", whole + b"\0", np.random.default_rng(0).bytes(1000)]:
        last.write_bytes(raw)
        arrays, damaged = newest(tmp_path)
        assert (arrays["step"], damaged) == (5, [last])


def test_a_checkpoint_is_a_plain_npz(tmp_path):
    save(tmp_path, 5)
    with np.load(tmp_path / "step-000000005.npz", allow_pickle=False) as archive:
        assert archive["step"] == 5


def test_where_both_newest_are_damaged_the_best_serves(tmp_path):
    save(tmp_path, 5, 10, 15, best=5)
    for path in tmp_path.glob("step-*"):
        path.write_bytes(b"")
    arrays, damaged = newest(tmp_path)
    assert arrays["step"] == 5
    assert [path.name for path in damaged] == ["step-000000015.npz", "step-000000010.npz"]


def test_a_damaged_file_takes_no_whole_ones_place(tmp_path):
    save(tmp_path, 100, 200)
    for path in tmp_path.glob("step-*"):
        path.write_bytes(b"")
        set_aside(path)
    save(tmp_path, 5, 10, 15)
    assert sorted(path.name for path in tmp_path.glob("*.npz")) == ["step-000000010.npz", "step-000000015.npz"]
    assert len(list(tmp_path.glob("*.damaged"))) == 2


def test_pickled_objects_are_never_loaded(tmp_path):
    np.savez(tmp_path / "objects.npz", x=np.array([{"a": 1}]))
    sealed = checkpoints.seal((tmp_path / "objects.npz").read_bytes())
    (tmp_path / "step-000000001.npz").write_bytes(sealed)
    assert newest(tmp_path) == (None, [tmp_path / "step-000000001.npz"])
