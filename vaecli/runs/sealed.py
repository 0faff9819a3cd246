"""JSON files that end in the digest of all bytes before it, so that readers notice any change."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from vaecli.errors import Damaged, RunError
from vaecli.runs.files import read, write

MAX_BYTES = 100_000_000  # far above what is written; an audit is the largest
_DIGITS = 64  # of SHA-256, in hexadecimal
_KEY, _END = b'  "seal": "', b'"\n}\n'
_TAIL = len(_KEY) + _DIGITS + len(_END)

Tree = TypeVar("Tree", bound=Mapping[str, Any])


def seal(tree: Mapping[str, Any]) -> bytes:
    """The tree as indented JSON whose last key is the digest; refuses NaN, which JSON does not have."""
    text = json.dumps({**tree, "seal": "0" * _DIGITS}, indent=2, allow_nan=False) + "\n"
    body = text.encode()[: -_DIGITS - len(_END)]
    return body + hashlib.sha256(body).hexdigest().encode() + _END


def has_seal(raw: bytes) -> bool:
    """Whether the bytes end in the form of a seal, whatever the digest says."""
    return raw[-_TAIL:].startswith(_KEY) and raw.endswith(_END)


def write_sealed(path: Path, tree: Mapping[str, Any], *, within: Path | None = None) -> bytes:
    """Writes a sealed file and returns what was written; raises RunFailed as `write` does."""
    raw = seal(tree)
    write(path, raw, within=within)
    return raw


def read_sealed(path: Path, schema: TypeAdapter[Tree], *, newest: int, way_out: str) -> Tree:
    """The tree of a file; arguments and errors are those of `parse_sealed`."""
    return parse_sealed(path, read_json(path, way_out=way_out), schema, newest=newest, way_out=way_out)


def read_json(path: Path, *, way_out: str) -> bytes:
    """The bytes of a JSON file; raises Damaged if it cannot be read."""
    try:
        return read(path, most=MAX_BYTES)
    except OSError as error:
        raise Damaged(f"{path}: cannot be read ({error.strerror}); {way_out}") from None


def parse_sealed(path: Path, raw: bytes, schema: TypeAdapter[Tree], *, newest: int, way_out: str) -> Tree:
    """The tree that the bytes of a file hold.

    Files of format 1 were written before seals existed; from format 2 on a file without a seal is damaged.

    Args:
        newest: the highest format that can be read.
        way_out: what to do about a damaged file; ends the message.

    Raises:
        Damaged: the file is not what was written, or has another form.
        RunError: a newer version wrote it.
    """
    try:
        tree = _DECODER.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{path}: damaged, not JSON ({error}); {way_out}") from None
    if not isinstance(tree, dict) or type(tree.get("format", 1)) is not int:
        raise Damaged(f"{path}: damaged, in another form; {way_out}")
    number = tree.get("format", 1)
    if has_seal(raw):
        if hashlib.sha256(raw[: -_DIGITS - len(_END)]).hexdigest() != tree.pop("seal"):
            raise Damaged(f"{path}: was changed after it was written; {way_out}")
    elif 1 < number <= newest:
        raise Damaged(f"{path}: was changed after it was written, its seal is gone; {way_out}")
    if number > newest:
        raise RunError(f"{path}: written by a newer version of vaecli")
    try:
        return schema.validate_python(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        what = "is missing" if first["type"] == "missing" else f"received {_short(first['input'])}"
        raise Damaged(f"{path}: damaged, {place}: {_plain(first['msg'])}, {what}; {way_out}") from None


def _plain(message: str) -> str:
    message = message.removeprefix("Input ").removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _refused(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(parse_constant=_refused)  # one for thousands of files
