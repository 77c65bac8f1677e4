"""Every public name stands in the API reference."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# By its docstring, or, for a union of types, which has none, by a sentence.
MENTION = re.compile(r"^\.\. auto\w+:: [\w.]+\.(\w+)$|`(\w+)`(?: is)? either", flags=re.MULTILINE)


@pytest.mark.parametrize(
    "package", ["calab", "calab_core", "calab_io", "calab_sim", "calab_solver"]
)
def test_every_public_name_is_documented(package):
    pages = "\n".join(path.read_text("utf-8") for path in (ROOT / "docs/reference").glob("*.md"))
    documented = {name for names in MENTION.findall(pages) for name in names}
    assert documented
    assert sorted(set(importlib.import_module(package).__all__) - documented) == []
