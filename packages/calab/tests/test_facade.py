from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import calab
import pytest
from calab._names import HOME

pytestmark = pytest.mark.installed


def loaded_after(statement: str) -> set[str]:
    program = f"import sys\n{statement}\nprint(*sys.modules, file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return set(run.stderr.split())


@pytest.mark.parametrize("name", sorted(HOME))
def test_every_name_is_the_one_of_its_package(name: str) -> None:
    assert getattr(calab, name) is getattr(import_module(HOME[name]), name)


@pytest.mark.parametrize("package", ["calab_core", "calab_io", "calab_sim"])
def test_what_the_siblings_export_is_what_type_checkers_see(package: str) -> None:
    # The type-checking block imports these packages whole, so the table must name them whole.
    exported = set(import_module(package).__all__)
    assert exported <= set(HOME)


def test_all_and_dir_list_every_name() -> None:
    assert {*HOME, "versions"} == set(calab.__all__)
    assert set(calab.__all__) <= set(dir(calab))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'calab' has no attribute 'tuna'"):
        _ = calab.tuna  # type: ignore[attr-defined]


def test_version_is_that_of_the_distribution() -> None:
    assert calab.__version__ == calab.versions()["calab"]


def test_versions_lists_the_distributions() -> None:
    found = calab.versions()
    assert {"calab", "calab-core", "calab-io", "calab-sim", "calab-solver"} <= set(found)
    assert all(version[0].isdigit() for version in found.values())


def test_missing_distribution_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calab._versions._DISTRIBUTIONS", ("calab", "calab-never-made"))
    assert set(calab.versions()) == {"calab"}


def test_import_loads_no_library() -> None:
    heavy = {"numpy", "pydantic", "matplotlib", "typer", "rich", "calab_core", "calab_io"}
    assert loaded_after("import calab").isdisjoint(heavy)


def test_help_loads_no_numerical_library() -> None:
    statement = (
        "import calab.cli\n"
        "try:\n    calab.cli.app(['--help'])\n"
        "except SystemExit as end:\n    assert not end.code"
    )
    loaded = loaded_after(statement)
    assert "typer" in loaded
    assert loaded.isdisjoint({"numpy", "pydantic", "matplotlib", "calab_core", "calab_sim"})


def test_compat_is_there_without_an_import_of_its_own() -> None:
    command = "import calab; print(calab.compat.deconvolve.__name__)"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert done.stdout == "deconvolve\n", done.stderr
