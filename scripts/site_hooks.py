"""Hooks of MkDocs, which build the site from files of the repository under the paths that they have there."""

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_PATTERNS = ("*.md", "docs/**/*", "configs/**/*.yaml", "results/reference/**/*")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Replace folders in the navigation by their pages that it does not name elsewhere."""
    assert isinstance(config.nav, list)
    top, text = Path(str(config.config_file_path)).parent, str(config.nav)
    for section in config.nav:
        for title, content in section.items() if isinstance(section, dict) else ():
            if isinstance(content, str) and content.endswith("/"):
                paths = sorted([*(top / content).glob("*.md"), *(top / content).glob("*/README.md")])
                pages = [str(path.relative_to(top)) for path in paths]
                section[title] = [page for page in pages if f"'{page}'" not in text]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the files of docs/ by those of the repository."""
    top = Path(str(config.config_file_path)).parent
    for file in [file for file in files if file.src_dir == config.docs_dir]:
        files.remove(file)
    for pattern in _PATTERNS:
        for path in sorted(top.glob(pattern)):
            if path.is_file():
                files.append(_make_file(path, top, config))
    return files


def _make_file(path: Path, top: Path, config: MkDocsConfig) -> Any:
    return File(str(path.relative_to(top)), str(top), config.site_dir, config.use_directory_urls)
