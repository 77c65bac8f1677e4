"""Every check CI runs, runnable here: ``nox -l`` lists them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"

ROOT = Path(__file__).parent
SOLVER = ROOT / "crates" / "calab-solver"

# Wheels are built from an unpacked sdist; one target folder spares them the dependencies' builds.
os.environ.setdefault("CARGO_TARGET_DIR", str(ROOT / "target"))


def extension_is_current() -> bool:
    """Tell whether the in-tree extension exists and is newer than its sources."""
    built = [*SOLVER.glob("python/calab_solver/_native*.so")]
    built += SOLVER.glob("python/calab_solver/_native*.pyd")
    sources = [*SOLVER.glob("src/**/*.rs"), SOLVER / "Cargo.toml", ROOT / "Cargo.toml"]
    newest = max(path.stat().st_mtime for path in sources)
    return any(path.stat().st_mtime > newest for path in built)


def sync(session: nox.Session, *options: str) -> None:
    """Make the session's environment exactly what ``uv sync`` with the options gives."""
    # uv restores a cached editable install without noticing that the extension is gone.
    reinstall = [] if extension_is_current() else ["--reinstall-package=calab-solver"]
    session.run_install(
        *("uv", "sync", "--quiet", "--no-default-groups", *options, *reinstall),
        env={"UV_PROJECT_ENVIRONMENT": session.virtualenv.location},
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Check format, lints (Python and Rust, warnings as errors) and the pinned versions."""
    sync(session, "--only-group=lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("cargo", "fmt", "--check", external=True)
    clippy = ("cargo", "clippy", "--workspace", "--all-targets", "--quiet")
    for features in ((), ("--all-features",)):
        session.run(*clippy, *features, "--", "-D", "warnings", external=True)
    session.run("python", "tools/pins.py", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of every package, and the extension's stub against the extension."""
    sync(session, "--group=types", "--group=bench")
    session.run("mypy")
    allowlist = f"--allowlist={SOLVER / 'stubtest-allowlist.txt'}"
    session.run("python", "-m", "mypy.stubtest", "--concise", "calab_solver._native", allowlist)


@nox.session(python=False)
def rust(session: nox.Session) -> None:
    """Test the Rust core and build its documentation, without a Python interpreter."""
    # Like hypothesis, proptest explores at a desk and repeats itself where a failure blocks others.
    seed = {"PROPTEST_RNG_SEED": "1"} if os.environ.get("CI") else {}
    session.run("cargo", "test", "--workspace", "--quiet", env=seed)
    strict = {"RUSTDOCFLAGS": "-D warnings"}
    session.run("cargo", "doc", "--workspace", "--no-deps", "--quiet", env=strict)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the Python tests of every package."""
    sync(session, "--group=test")
    session.run("pytest", *session.posargs)


@nox.session(reuse_venv=False)
def dist(session: nox.Session) -> None:
    """Build every wheel from its sdist, install exactly those files, and test them."""
    out = Path(session.create_tmp()) / "dist"
    shutil.rmtree(out, ignore_errors=True)
    build = ("uv", "build", "--quiet", "--all-packages", "--no-sources", f"--out-dir={out}")
    session.run(*build, external=True)
    # Files, never names: the public index has another `calab`.
    wheels = [str(wheel) for wheel in out.glob("*.whl")]
    extras = [f"{wheel}[plot]" for wheel in wheels if Path(wheel).name.startswith("calab-")]
    session.install("--group=test", *wheels, *extras)
    session.run("uv", "pip", "check", external=True)
    session.run("pytest", "-m", "installed", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation, warnings as errors."""
    sync(session, "--group=docs")
    session.run("sphinx-build", "-W", "-n", "--keep-going", "-q", "docs", "docs/_build")


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Run the main job: simulate a recording, deconvolve it, score it, draw it."""
    sync(session)
    session.run("calab", "demo", "--force", *session.posargs)


@nox.session(default=False)
def soak(session: nox.Session) -> None:
    """Read ten thousand damaged files; the test session reads two hundred."""
    sync(session, "--group=test")
    with session.chdir(ROOT / "packages" / "calab-io" / "tests"):
        session.run("python", "-m", "layouts.fuzz", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Run Criterion, pytest-benchmark, and two timing scripts of ``benchmarks/``.

    ``-- --peers PYTHON`` adds the packages that an interpreter has. ``ground_truth.py`` is not run:
    it needs recordings that are not part of this tree.
    """
    sync(session, "--group=test", "--group=bench")
    session.run("cargo", "bench", "--workspace", external=True)
    session.run("pytest", "benchmarks", "--benchmark-only")
    for script in ("simulate", "deconvolution"):
        session.run("python", f"benchmarks/{script}.py", *session.posargs)


@nox.session(default=False)
def pins(session: nox.Session) -> None:
    """Resolve the newest versions of all dependencies and pin them in pyproject.toml."""
    sync(session, "--only-group=lint")
    session.run("python", "tools/pins.py")
