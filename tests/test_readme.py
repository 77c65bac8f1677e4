"""The README tells the truth: its example runs, its test command is the one CI runs."""

import re
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
