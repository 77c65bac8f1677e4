"""Exact versions of every third-party package, kept in the root manifest without hosts.

``uv.lock`` names the hosts of package registries, which no commit may, so it is not committed.
What it decides is: the two constraint lists under ``[tool.uv]`` hold one exact version for each
package of the environment and of the builds. Without an argument this script resolves anew and
rewrites them; with ``--check`` it fails when they are not what a resolution under them gives.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
MANIFEST = ROOT / "pyproject.toml"
LISTS = ("constraint-dependencies", "build-constraint-dependencies")


def uv(*arguments: str, stdin: str = "") -> list[str]:
    """Run uv at the root and return the requirement lines that it prints."""
    command = [sys.executable, "-m", "uv", "--quiet", *arguments]
    result = subprocess.run(
        command, cwd=ROOT, input=stdin, stdout=subprocess.PIPE, text=True, check=True
    )
    return sorted(line for line in result.stdout.splitlines() if re.match(r"\w", line))


def resolve_environment(*, upgrade: bool) -> list[str]:
    """Versions that the workspace resolves to, with all its groups and extras."""
    uv("lock", *(["--upgrade"] if upgrade else []))
    selection = ("--all-packages", "--all-groups", "--all-extras", "--no-emit-workspace")
    return uv("export", "--frozen", *selection, "--no-hashes", "--no-annotate", "--no-header")


def resolve_builds(constraints: list[str]) -> list[str]:
    """Versions that the build back ends of all members resolve to under the constraints."""
    # hatchling asks for editables only when uv installs a member, so no manifest names it.
    requirements = {"editables"}
    for manifest in (
        *ROOT.glob("crates/*/pyproject.toml"),
        *ROOT.glob("packages/*/pyproject.toml"),
    ):
        requirements |= set(tomllib.loads(manifest.read_text("utf-8"))["build-system"]["requires"])
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder, "pinned.txt")
        pinned.write_text("\n".join(constraints), "utf-8")
        return uv(
            *("pip", "compile", "-", "--universal", "--no-config", "--python-version=3.11"),
            *("--no-annotate", "--no-header", f"--constraints={pinned}"),
            stdin="\n".join(sorted(requirements)),
        )


def render(name: str, pins: list[str]) -> str:
    """Write one list as it stands in the manifest."""
    return "\n".join(
        [f"{name} = [", *(f'  "{pin.replace(chr(34), chr(39))}",' for pin in pins), "]"]
    )


def replace_lists(text: str, lists: dict[str, list[str]]) -> str:
    """Return the manifest's text with both constraint lists replaced."""
    for name, pins in lists.items():
        text, count = re.subn(rf"(?ms)^{name} = \[.*?^\]", render(name, pins), text)
        if count != 1:
            raise ValueError(f"expected one list {name} in {MANIFEST.name}, got {count}")
    return text


def regenerate() -> None:
    """Resolve without constraints, newest versions first, and rewrite the lists."""
    original = MANIFEST.read_text("utf-8")
    try:
        MANIFEST.write_text(replace_lists(original, {name: [] for name in LISTS}), "utf-8")
        found = dict(
            zip(LISTS, (resolve_environment(upgrade=True), resolve_builds([])), strict=True)
        )
    except BaseException:
        MANIFEST.write_text(original, "utf-8")
        raise
    MANIFEST.write_text(replace_lists(original, found), "utf-8")


def check() -> None:
    """Exit with the differences if a resolution under the lists is not exactly the lists."""
    settings = tomllib.loads(MANIFEST.read_text("utf-8"))["tool"]["uv"]
    environment, builds = (set(settings[name]) for name in LISTS)
    found = [set(resolve_environment(upgrade=False)), set(resolve_builds(sorted(builds)))]
    for name, pinned, resolved in zip(LISTS, (environment, builds), found, strict=True):
        resolved = {line.replace('"', "'") for line in resolved}
        if pinned != resolved:
            missing, spare = sorted(resolved - pinned), sorted(pinned - resolved)
            sys.exit(f"{name}: {missing=}, {spare=}; run `nox -s pins`")


if __name__ == "__main__":
    check() if "--check" in sys.argv[1:] else regenerate()
