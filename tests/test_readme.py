"""The README tells the truth: its example runs, its test command is the one CI runs."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.installed
def test_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (example,) = blocks("python")
    exec(compile(example, "README.md", "exec"), {"__name__": "readme"})
    assert capsys.readouterr().out.strip()


def test_continuous_integration_runs_the_documented_command():
    last = (ROOT / ".ci/run").read_text("utf-8").strip().splitlines()[-1]
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert last in commands


@pytest.mark.parametrize("page", ["README.md", "docs/install.md"])
def test_prerequisites_are_those_of_the_manifests(page):
    text = " ".join((ROOT / page).read_text("utf-8").split())
    rust = tomllib.loads((ROOT / "Cargo.toml").read_text("utf-8"))["workspace"]["package"]
    python = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert f"`cargo`, {rust['rust-version']} or newer" in text
    assert f"Python {python['requires-python'].removeprefix('>=')} or newer" in text
