"""The map of docs/design.md and the directions of imports."""

import ast
import re
from pathlib import Path
from typing import Dict, Iterator, Set

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("edgeflownas", "supernet", "search")  # a package may import those before it
STACK = "edgeflownas.tf_runtime.stack"  # imports TensorFlow for all other modules

# Rooms, or modules, that compute with TensorFlow. All others must be importable without loading it.
COMPUTING = (
    "edgeflownas.network", "edgeflownas.training", "edgeflownas.evaluation", "edgeflownas.tf_runtime",
    "edgeflownas.data.pipeline", "edgeflownas.hardware.export", "edgeflownas.hardware.layer_errors",
    "edgeflownas.hardware.quantised",
    "edgeflownas.hardware.bundle", "supernet", "search.workers.predictors", "search.commands.dry_run",
)  # fmt: skip


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES: Dict[str, Path] = {
    module_name(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))
}


def modules_imported_by(tree: ast.AST) -> Iterator[str]:
    """Yield the names of all modules that are imported anywhere in a tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "imports are absolute"
            yield node.module
            yield from (name for name in (f"{node.module}.{alias.name}" for alias in node.names) if name in MODULES)


def top_level(path: Path) -> ast.Module:
    """Parse a module without its functions and type-checking blocks, whose imports do not run on import."""
    tree = ast.parse(path.read_text())
    tree.body = [
        node
        for node in tree.body
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef))
        and not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
    ]
    return tree


def loaded_by(name: str) -> Set[str]:
    """Return all modules that are loaded when a module is imported, with the packages that contain them."""
    loaded: Set[str] = set()
    waiting = [name]
    while waiting:
        module = waiting.pop()
        if module not in loaded:
            loaded.add(module)
            waiting += [module.rpartition(".")[0]] if "." in module else []
            waiting += modules_imported_by(top_level(MODULES[module])) if module in MODULES else []
    return loaded


def map_of_the_page() -> Set[str]:
    """Return the names in the tables of docs/design.md: a heading names the package, rows its rooms and modules."""
    names, package = set(), ""
    for line in (ROOT / "docs" / "design.md").read_text().splitlines():
        if line.startswith("#"):
            heading = re.match(r"## `(\w+)/`", line)
            package = heading.group(1) if heading else ""
        elif package and line.startswith("|"):
            names |= {f"{package}/{name}" for name in re.findall(r"`([\w/]+)`", line.split("|")[1])}
    return names


def test_map_names_every_module_and_nothing_else() -> None:
    paths = [path.relative_to(ROOT) for path in MODULES.values()]
    rooms = {f"{path.parent}/" for path in paths if len(path.parts) > 2}
    modules = {str(path.with_suffix("")) for path in paths if path.name != "__init__.py"}
    named = map_of_the_page()
    assert sorted((rooms | modules) - named) == [], "missing in docs/design.md"
    assert sorted(named - (rooms | modules)) == [], "in docs/design.md, but not in the code"


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_packages_below(package: str) -> None:
    above = PACKAGES[PACKAGES.index(package) + 1 :]
    for name, path in MODULES.items():
        if name.split(".")[0] == package:
            imported = {module.split(".")[0] for module in modules_imported_by(ast.parse(path.read_text()))}
            assert not imported.intersection(above), name


def test_tensorflow_is_imported_in_one_place() -> None:
    for name, path in MODULES.items():
        imported = {module.split(".")[0] for module in modules_imported_by(ast.parse(path.read_text()))}
        assert "tensorflow" not in imported or name == STACK, name


def test_only_modules_that_compute_with_tensorflow_load_it() -> None:
    loading = {name for name in MODULES if STACK in loaded_by(name)}
    computing = {name for name in MODULES if f"{name}.".startswith(tuple(f"{room}." for room in COMPUTING))}
    assert sorted(loading - computing) == []
