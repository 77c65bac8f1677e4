"""No tracked file names a package registry, its host, or a path of somebody's machine."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Cargo writes its registry's address into the lock file and offers no way to leave it out.
EXEMPT = {"Cargo.lock"}

# In pieces, so that this file does not name them either.
HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("python" + "hosted", "org"),
        ("crates", "io"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("proxy", "golang", "org"),
        ("maven", "org"),
        ("deb", "debian", "org"),
    )
]
HOST = re.compile("|".join(re.escape(host) for host in HOSTS))
# Settings that name a registry, in the files whose tools read them; in pieces as well.
KEYS = ["-".join(("index", "url")), "".join(("regis", "try")), "".join(("resol", "ved"))]
SETTING = re.compile(
    rf"(?mi)(?:^|[\s\"'{{,:])(?:extra[-_])?(?:{'|'.join(KEYS).replace('-', '[-_]')})[\"']?\s*[=:]"
)
MACHINE_PATH = re.compile(r"(?<![\w.~$}*/-])/(?:work|root|home|tmp|Users)/\w")


def tracked_files() -> list[Path]:
    command = ["git", "ls-files", "-z"]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in output.split("\0") if name and name not in EXEMPT]
    return [path for path in paths if path.is_file()]


@pytest.mark.parametrize("pattern", [HOST, MACHINE_PATH], ids=["registry host", "machine path"])
def test_no_tracked_file_names_a(pattern):
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked_files()
        if (match := pattern.search(path.read_bytes().decode("utf-8", errors="replace")))
    ]
    assert not found


def test_no_setting_names_a_registry():
    found = [
        f"{path.relative_to(ROOT)}: {match.group().strip()}"
        for path in tracked_files()
        if path.suffix in {".toml", ".json"} or path.name.endswith("npmrc")
        if (match := SETTING.search(path.read_text(encoding="utf-8")))
    ]
    assert not found


def test_the_patterns_would_notice():
    assert HOST.search(f"https://index.{HOSTS[2]}/")
    assert MACHINE_PATH.search("open('" + "/".join(["", "tmp", "x.npy"]) + "')")
    index, registry, resolved = KEYS
    for line in (
        f'{index} = "x"',
        f"extra-{index}=x",
        f"@scope:{registry}=x",
        f'"{resolved}": "x"',
    ):
        assert SETTING.search(line)
    assert not SETTING.search('reinstall = ["the-registry"]')
    assert len(tracked_files()) > 20
