"""Every check CI runs, runnable here: ``nox -l`` lists them."""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "rust", "tests"]

ROOT = Path(__file__).parent
SOLVER = ROOT / "crates" / "calab-solver"


def extension_is_current() -> bool:
    """Tell whether the in-tree extension exists and is newer than its sources."""
    built = list(SOLVER.glob("python/calab_solver/_native*.so"))
    built += SOLVER.glob("python/calab_solver/_native*.pyd")
    sources = [*SOLVER.glob("src/**/*.rs"), SOLVER / "Cargo.toml", ROOT / "Cargo.toml"]
    newest = max(path.stat().st_mtime for path in sources)
    return any(path.stat().st_mtime > newest for path in built)


def sync(session: nox.Session, *groups: str) -> None:
    """Install the workspace and the named dependency groups into the session's environment."""
    # uv restores a cached editable install without noticing that the extension is gone.
    reinstall = [] if extension_is_current() else ["--reinstall-package=calab-solver"]
    session.run_install(
        *("uv", "sync", "--quiet", "--no-default-groups"),
        *(f"--group={group}" for group in groups),
        *reinstall,
        env={"UV_PROJECT_ENVIRONMENT": session.virtualenv.location},
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Check format and lints of Python and Rust, warnings as errors."""
    session.run_install(
        *("uv", "sync", "--quiet", "--only-group=lint"),
        env={"UV_PROJECT_ENVIRONMENT": session.virtualenv.location},
    )
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("cargo", "fmt", "--check", external=True)
    clippy = ("cargo", "clippy", "--workspace", "--all-targets", "--quiet")
    session.run(*clippy, "--", "-D", "warnings", external=True)
    session.run(*clippy, "--all-features", "--", "-D", "warnings", external=True)


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of every package, and the extension's stub against the extension."""
    sync(session, "types")
    session.run("mypy")
    allowlist = SOLVER / "stubtest-allowlist.txt"
    session.run(
        "python", "-m", "mypy.stubtest", "--concise", "calab_solver", f"--allowlist={allowlist}"
    )


@nox.session(python=False)
def rust(session: nox.Session) -> None:
    """Test the Rust core without a Python interpreter."""
    session.run("cargo", "test", "--workspace", "--quiet")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the Python tests of every package."""
    sync(session, "test")
    session.run("pytest", *session.posargs)
