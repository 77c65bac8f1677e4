"""What was installed is whole: metadata, types, licence, and an importable package."""

import importlib
from importlib.metadata import distribution, files, requires, version

import pytest
from packaging.requirements import Requirement

pytestmark = pytest.mark.installed

DISTRIBUTIONS = [
    "calab",
    "calab-bridge",
    "calab-core",
    "calab-io",
    "calab-sim",
    "calab-solver",
]


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_every_public_name_exists(name):
    module = importlib.import_module(name.replace("-", "_"))
    assert module.__doc__
    missing = [public for public in module.__all__ if not hasattr(module, public)]
    assert not missing


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_siblings_in_the_metadata_admit_what_is_installed(name):
    needed = [Requirement(line) for line in requires(name) or []]
    for requirement in needed:
        if requirement.name in DISTRIBUTIONS:
            assert version(requirement.name) in requirement.specifier


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_licence_and_readme_are_shipped(name):
    assert any(path.name == "LICENSE" for path in files(name) or [])
    metadata = distribution(name).metadata
    # Where a library loads the backport of importlib.metadata, the readme is a field.
    assert name in (metadata.get_payload() or metadata["Description"])


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_package_says_that_it_is_typed(name):
    package = importlib.import_module(name.replace("-", "_"))
    assert importlib.resources.files(package).joinpath("py.typed").is_file()
