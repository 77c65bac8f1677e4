"""The import arrows between distributions point one way."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SOURCES = {
    "calab_solver": ROOT / "crates/calab-solver/python/calab_solver",
    "calab_core": ROOT / "packages/calab-core/src/calab_core",
    "calab_sim": ROOT / "packages/calab-sim/src/calab_sim",
    "calab_io": ROOT / "packages/calab-io/src/calab_io",
    "calab_bridge": ROOT / "packages/calab-bridge/src/calab_bridge",
    "calab": ROOT / "packages/calab/src/calab",
}

ALLOWED = {
    "calab_solver": set(),
    "calab_core": {"calab_solver"},
    "calab_sim": {"calab_solver"},
    "calab_io": {"calab_core", "calab_solver"},
    "calab_bridge": {"calab_core", "calab_io", "calab_solver"},
    "calab": {"calab_bridge", "calab_core", "calab_io", "calab_sim", "calab_solver"},
}


def imported_packages(path: Path) -> set[str]:
    """Top-level packages that a file imports, also inside functions and TYPE_CHECKING blocks."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.append(node.module or "")
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("package", SOURCES)
def test_imports_only_what_lies_below(package):
    modules = sorted(SOURCES[package].rglob("*.py"))
    assert modules, f"no module found under {SOURCES[package]}"
    forbidden = {
        f"{module.relative_to(ROOT)} imports {name}"
        for module in modules
        for name in imported_packages(module) & (SOURCES.keys() - ALLOWED[package] - {package})
    }
    assert not forbidden


def test_every_workspace_member_is_checked():
    manifests = [*ROOT.glob("packages/*/pyproject.toml"), *ROOT.glob("crates/*/pyproject.toml")]
    assert {path.parent.name.replace("-", "_") for path in manifests} == SOURCES.keys()
