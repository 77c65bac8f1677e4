"""The command as a process of its own: what no runner inside the tests can show."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "calab"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.installed
def test_help_lists_the_commands() -> None:
    result = run("--help")
    assert result.returncode == 0
    for command in ("demo", "simulate", "deconvolve", "convert", "info", "versions"):
        assert f" {command} " in result.stdout


def test_without_arguments_it_prints_its_help() -> None:
    result = run()
    assert result.returncode == 2
    assert "Commands" in result.stdout
    assert result.stderr == ""


@pytest.mark.installed
def test_piped_output_has_no_progress_and_no_colour() -> None:
    result = run("demo", "--cells", "3", "--frames", "600")
    assert result.returncode == 0, result.stderr
    assert "\x1b" not in result.stdout
    assert result.stderr == ""


def test_bad_input_is_one_line_without_traceback() -> None:
    result = run("deconvolve", "no.npy", "--tau-rise", "0.1", "--tau-decay", "0.6")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "calab: no.npy: no such file or folder\n"


def start_on_terminal(*arguments: str) -> tuple[subprocess.Popen[bytes], int]:
    leader, follower = pty.openpty()
    process = subprocess.Popen([*COMMAND, *arguments], stdout=follower, stderr=follower)
    os.close(follower)
    return process, leader


def shown_until(leader: int, words: bytes | None = None) -> bytes:
    """Read what the terminal shows, to its end or to the first sight of some words."""
    shown = b""
    while words is None or words not in shown:
        try:
            piece = os.read(leader, 4096)
        except OSError:
            # Linux reports the end of a pseudo-terminal as an input/output error.
            break
        if not piece:
            break
        shown += piece
    return shown


def test_terminal_shows_progress() -> None:
    process, leader = start_on_terminal("demo", "--cells", "40", "--frames", "3000")
    shown = shown_until(leader)
    os.close(leader)
    assert process.wait(timeout=60) == 0
    assert b"finding the kernel" in shown
    assert b"placing spikes" in shown
    assert b"40/40" in shown


def test_ctrl_c_ends_with_130_and_nothing_written(recording: Path) -> None:
    before = sorted(Path().iterdir())
    # A tolerance that no iteration reaches: without the signal this would run for hours.
    endless = ("--method", "fista", "--tol", "1e-300", "--max-iters", "1000000000")
    kernel = ("--tau-rise", "0.1", "--tau-decay", "0.6", "--lam", "0.01")
    process, leader = start_on_terminal("deconvolve", str(recording), *kernel, *endless)
    assert b"deconvolving" in shown_until(leader, b"deconvolving")
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    shown = shown_until(leader)
    os.close(leader)
    assert process.wait(timeout=60) == 130, shown
    assert b"calab: interrupted: nothing was written" in shown
    assert sorted(Path().iterdir()) == before
