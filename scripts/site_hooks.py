"""Hooks of MkDocs, which build the site from files of the repository under the paths that they have there."""

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_PATTERNS = ("*.md", "docs/**/*", "configs/**/*.yaml", "results/reference/**/*")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add a page for each measurement to the navigation."""
    assert isinstance(config.nav, list)
    top = Path(str(config.config_file_path)).parent
    for section in config.nav:
        for title, content in section.items():
            if isinstance(content, str) and content.endswith("/"):
                section[title] = [str(page.relative_to(top)) for page in sorted((top / content).glob("*/README.md"))]
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
