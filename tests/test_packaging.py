"""The supported Pythons are those that have a TensorFlow, so that pip blames the Python and no package."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

TEXT = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
SUPPORTED = {"3.7", "3.10", "3.11", "3.12", "3.13"}


def dependencies():
    listed = re.search(r"^dependencies = \[\n(.*?)^\]", TEXT, re.MULTILINE | re.DOTALL)
    return [Requirement(text) for text in re.findall(r'^    "([^"]+)"', listed.group(1), re.MULTILINE)]


@pytest.mark.parametrize("minor", range(4, 20))
def test_supported_python_has_one_requirement_per_package_and_others_are_refused(minor):
    version = f"3.{minor}"
    accepted = SpecifierSet(re.search('^requires-python = "(.*)"', TEXT, re.MULTILINE).group(1))
    assert accepted.contains(f"{version}.1") == (version in SUPPORTED)
    environment = {"python_version": version, "python_full_version": f"{version}.1"}
    names = [item.name for item in dependencies() if item.marker is None or item.marker.evaluate(environment)]
    if version in SUPPORTED:
        assert {"tensorflow", "numpy", "deap", "plotly"} <= set(names) and len(names) == len(set(names))
