"""Damage to files and folders: to their bytes, and to the trees that they hold."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

__all__ = ["damage"]

Rng = np.random.Generator
#: Values that stand where others are expected.
STRANGE: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1 << 40,
    1e300,
    "",
    "x",
    "NoneType",
    [],
    {},
    [1, [2]],
)
#: Damages one after the other in one case, at most.
MOST = 3


def damage(path: Path, rng: Rng) -> list[str]:
    """Damage a file or folder.

    Returns what was done, for who has to find out why.
    """
    done = []
    for _ in range(int(rng.integers(1, MOST + 1))):
        files = sorted(file for file in path.rglob("*") if file.is_file()) or [path]
        file = files[rng.integers(len(files))] if path.is_dir() else path
        if not file.is_file():
            break
        kinds: list[Callable[[Path, Rng], str]] = [flip, flip, cut, blank, double, swap_digits]
        if h5py.is_hdf5(file):
            kinds += [prune, replace, replace] * 2
        if _is_json(file):
            kinds += [rewrite] * 4
        if path.is_dir():
            kinds += [remove, exchange]
        kind = kinds[rng.integers(len(kinds))]
        done.append(f"{file.relative_to(path.parent)}: {kind(file, rng)}")
    return done


def flip(file: Path, rng: Rng) -> str:
    """Change some bytes; those at the beginning more often, for there are the headers."""
    data = bytearray(file.read_bytes())
    if not data:
        return "empty"
    reach = len(data) if rng.random() < 0.5 else min(len(data), 512)
    places = rng.integers(reach, size=int(rng.integers(1, 17)))
    for place in places:
        data[place] = int(rng.integers(256))
    file.write_bytes(data)
    return f"flipped {sorted(set(places.tolist()))}"


def cut(file: Path, rng: Rng) -> str:
    """Leave out the end."""
    data = file.read_bytes()
    length = int(rng.integers(len(data) + 1))
    file.write_bytes(data[:length])
    return f"cut at {length} of {len(data)}"


def blank(file: Path, rng: Rng) -> str:
    """Set a stretch to 0."""
    data = bytearray(file.read_bytes())
    first = int(rng.integers(len(data) + 1))
    last = min(len(data), first + int(rng.integers(1, 257)))
    data[first:last] = bytes(last - first)
    file.write_bytes(data)
    return f"blanked {first} to {last}"


def double(file: Path, rng: Rng) -> str:
    """Insert a stretch once more."""
    data = file.read_bytes()
    first = int(rng.integers(len(data) + 1))
    part = data[first : first + int(rng.integers(1, 65))]
    file.write_bytes(data[:first] + part + data[first:])
    return f"doubled {len(part)} at {first}"


def swap_digits(file: Path, rng: Rng) -> str:
    """Write other digits where there are digits, as in headers and tables of text."""
    data = bytearray(file.read_bytes())
    places = [at for at, byte in enumerate(data[:4096]) if 48 <= byte <= 57]
    if not places:
        return "no digit"
    chosen = rng.choice(places, size=min(len(places), int(rng.integers(1, 5))), replace=False)
    for place in chosen:
        data[place] = int(rng.integers(48, 58))
    file.write_bytes(data)
    return f"other digits at {sorted(chosen.tolist())}"


def remove(file: Path, rng: Rng) -> str:
    """Delete it, or put a folder there."""
    file.unlink()
    if rng.random() < 0.3:
        file.mkdir()
        return "made a folder"
    return "deleted"


def exchange(file: Path, rng: Rng) -> str:
    """Put a copy of another file there."""
    others = sorted(other for other in file.parent.iterdir() if other.is_file())
    other = others[rng.integers(len(others))]
    if other != file:
        shutil.copyfile(other, file)
    return f"replaced by {other.name}"


def prune(file: Path, rng: Rng) -> str:
    """Delete something from a tree of HDF5."""
    return _in_tree(file, rng, lambda tree, name: tree.pop(name, None) and "deleted")


def replace(file: Path, rng: Rng) -> str:
    """Put something else in its place."""

    def act(tree: h5py.Group, name: str) -> str:
        old = tree[name]
        values = old[()] if isinstance(old, h5py.Dataset) and old.shape is not None else None
        del tree[name]
        kind = int(rng.integers(8))
        if kind == 0:
            tree.create_group(name)
        elif kind == 1:
            tree[name] = h5py.SoftLink("/" if rng.random() < 0.5 else "/nowhere")
        elif kind == 2 or not isinstance(values, np.ndarray) or values.ndim == 0:
            strange = [b"NoneType", "text", -1, np.nan, np.arange(3), np.zeros((2, 0)), True]
            tree[name] = strange[rng.integers(len(strange))]
        elif kind == 3:
            tree[name] = values.T
        elif kind == 4:
            tree[name] = values[..., :-1]
        elif kind == 5:
            tree[name] = np.asarray(values).astype("S8" if values.dtype.kind in "iufb" else object)
        elif kind == 6:
            tree.create_dataset(name, shape=(1 << 20, 1 << 20), chunks=(1, 1024), dtype="f4")
        else:
            tree[name] = np.full_like(values, -1 if values.dtype.kind in "iuf" else values.flat[0])
        return f"kind {kind}"

    return _in_tree(file, rng, act)


def _in_tree(file: Path, rng: Rng, act: Callable[[h5py.Group, str], Any]) -> str:
    try:
        with h5py.File(file, "r+") as tree:
            names: list[str] = []
            tree.visit(names.append)
            if not names:
                return "an empty tree"
            name = names[rng.integers(len(names))]
            parent = tree[name.rpartition("/")[0] or "/"]
            return f"{name}: {act(parent, name.rpartition('/')[2])}"
    except Exception as error:  # damaged before: there is no tree any more
        return f"no tree ({type(error).__name__})"


def rewrite(file: Path, rng: Rng) -> str:
    """Put another value somewhere into a document of JSON."""
    document = json.loads(file.read_text("utf-8"))
    places: list[tuple[Any, Any]] = []
    _gather(document, places)
    if not places:
        return "an empty document"
    holder, key = places[rng.integers(len(places))]
    strange = STRANGE[rng.integers(len(STRANGE))]
    holder[key] = strange
    file.write_text(json.dumps(document), "utf-8")
    return f"{key} is {strange!r}"


def _gather(value: Any, places: list[tuple[Any, Any]]) -> None:
    keys: Any = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        places.append((value, key))
        _gather(value[key], places)


def _is_json(file: Path) -> bool:
    try:
        return isinstance(json.loads(file.read_text("utf-8")), dict | list)
    except ValueError:
        return False
