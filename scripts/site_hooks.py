"""Hooks of MkDocs, which build the site from files of the repository under the paths that they have there."""

import json
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_PAGES = ("*.md", "*/README.md", "*.ipynb")  # in a folder of the navigation
_PATTERNS = ("*.md", "docs/**/*", "configs/**/*.yaml", "results/reference/**/*", "examples/*")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Replace folders in the navigation by their pages that it does not name elsewhere."""
    assert isinstance(config.nav, list)
    top, text = Path(str(config.config_file_path)).parent, str(config.nav)
    for section in config.nav:
        for title, content in section.items() if isinstance(section, dict) else ():
            if isinstance(content, str) and content.endswith("/"):
                paths = sorted(path for pattern in _PAGES for path in (top / content).glob(pattern))
                pages = [str(path.relative_to(top).with_suffix(".md")) for path in paths]
                section[title] = [page for page in pages if f"'{page}'" not in text]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the files of docs/ by those of the repository."""
    top = Path(str(config.config_file_path)).parent
    for file in [file for file in files if file.src_dir == config.docs_dir]:
        files.remove(file)
    for pattern in _PATTERNS:
        for path in sorted(top.glob(pattern)):
            if path.suffix == ".ipynb":
                page = str(path.relative_to(top).with_suffix(".md"))
                files.append(File.generated(config, page, content=_convert_notebook(path)))
            elif path.is_file():
                name = str(path.relative_to(top))
                files.append(File(name, str(top), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links to notebooks lead to their pages."""
    return markdown.replace(".ipynb)", ".md)")


def _convert_notebook(path: Path) -> str:
    """Return a notebook as Markdown, with its outputs."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(f"```python\n{source}\n```" if cell["cell_type"] == "code" else source)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            text = "".join(output.get("text", data.get("text/plain", []))).rstrip()
            if "image/png" in data:
                parts.append(f"![output](data:image/png;base64,{data['image/png'].strip()})")
            elif text:
                parts.append(f"```text\n{text}\n```")
    return "\n\n".join(parts)
