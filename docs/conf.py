"""Sphinx configuration."""

from importlib import metadata

project = "CaLab"
author = "CaLab developers"
copyright = f"2026, {author}"
version = release = metadata.version("calab")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"CaLab {release}"

myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
# The docstrings give types with their shapes and units; repeating the annotations adds noise.
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

nitpick_ignore_regex = [
    # Bases outside the workspace; their documentation is not at hand when building offline.
    (r"py:.*", r"(numpy|pydantic|typing|collections|pathlib|builtins)\b.*"),
    (r"py:.*", r"(NamedTuple|BaseModel|tuple|StrEnum|Enum|object)"),
]
