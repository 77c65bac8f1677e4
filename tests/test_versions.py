"""Sibling ranges fit the versions in the tree; each version is the same wherever it stands."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def manifests() -> dict[str, Path]:
    paths = [*ROOT.glob("crates/*/pyproject.toml"), *ROOT.glob("packages/*/pyproject.toml")]
    return {path.parent.name: path for path in paths}


MANIFESTS = manifests()


def project(name: str) -> dict:
    return tomllib.loads(MANIFESTS[name].read_text("utf-8"))["project"]


def siblings(name: str) -> list[Requirement]:
    table = project(name)
    groups = [table["dependencies"], *table.get("optional-dependencies", {}).values()]
    requirements = [Requirement(line) for group in groups for line in group]
    return [requirement for requirement in requirements if requirement.name in MANIFESTS]


def compatible_range(version: Version) -> str:
    """Everything up to the next version that may break: the next minor before 1.0."""
    upper = f"0.{version.minor + 1}" if version.major == 0 else f"{version.major + 1}"
    return f">={version.major}.{version.minor},<{upper}"


def test_all_six_distributions_are_found():
    assert len(MANIFESTS) == 6


@pytest.mark.parametrize("name", MANIFESTS)
def test_sibling_ranges_admit_the_versions_in_the_tree(name):
    for requirement in siblings(name):
        version = Version(project(requirement.name)["version"])
        assert version in requirement.specifier, f"{name} requires {requirement}, tree: {version}"
        assert requirement.specifier == Requirement("x" + compatible_range(version)).specifier


@pytest.mark.parametrize("name", MANIFESTS)
def test_name_python_and_licence_are_the_workspaces(name):
    root = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project(name)["name"] == name
    assert project(name)["requires-python"] == root["requires-python"]
    assert (MANIFESTS[name].parent / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("name", MANIFESTS)
def test_changelog_starts_with_the_current_version(name):
    text = (MANIFESTS[name].parent / "CHANGELOG.md").read_text("utf-8")
    heading = re.search(r"^## (\S+)", text, flags=re.MULTILINE)
    assert heading
    assert heading.group(1) == project(name)["version"]


def test_crate_and_wheel_have_one_version():
    crate = tomllib.loads((ROOT / "crates/calab-solver/Cargo.toml").read_text("utf-8"))["package"]
    assert crate["version"] == project("calab-solver")["version"]


def test_bridge_is_no_dependency_of_calab_yet():
    assert "calab-bridge" not in {requirement.name for requirement in siblings("calab")}
