"""The site: ``sphinx-build -W -c docs . SITE``, from the Markdown that GitHub shows.

The source folder is the root of the repository, so that links between README.md, docs/ and the
other pages work on GitHub and on the site alike.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
# autodoc imports the launcher and the packages that scripts import.
sys.path[:0] = [str(ROOT / folder) for folder in ("launcher", "container/compat", "container")]

project = "sagemaker-tabular"
release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
version = release
author = project
copyright = "the authors of sagemaker-tabular, Apache-2.0"

root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "benchmarks/README.md",
]
exclude_patterns = [".*", "container", "tests", "local_test", "**/results", "dist"]

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
]
myst_heading_anchors = 3  # links such as serving.md#the-server
highlight_language = "text"
numpydoc_show_class_members = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the Parameters sections have the types

html_theme = "pydata_sphinx_theme"
html_title = f"{project} {release}"
html_extra_path = ["site"]  # the first page: it leads to docs/index.html
html_show_sourcelink = False
html_sidebars = {"**": ["globaltoc.html"]}  # all pages, under the captions of docs/index.md
html_theme_options = {
    "navbar_center": [],
    "globaltoc_includehidden": True,
    "globaltoc_maxdepth": 1,
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
}
