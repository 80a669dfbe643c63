"""How the documentation is built: `python -m sphinx -W -b html docs docs/_build`, without a network."""

from __future__ import annotations

import os
import sys
import warnings
from importlib.metadata import version as version_of
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "extensions"))

from heschl_inventories import write_inventories  # noqa: E402
from heschl_pages import write_pages  # noqa: E402

project = "heschl"
author = "The heschl developers"
copyright = author
version = release = version_of("heschl")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "heschl_math",
]
html_math_renderer = "mathml"
root_doc = "index"
exclude_patterns = ["_build", "gallery", "generated"]  # what is generated is included by pages
default_role = "py:obj"
smartquotes = False  # messages and keys are to be found as they are written
myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]  # sphinx-gallery's settings hold functions

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's sections say it in words
autodoc_member_order = "bysource"
NOT_OURS = (  # scikit-learn's, with references into its own pages
    "get_metadata_routing", "set_fit_request", "set_output", "set_params", "get_params", "set_partial_fit_request",
    "set_predict_request", "set_score_request", "set_transform_request", "set_inverse_transform_request",
)  # fmt: skip
autodoc_default_options = {"exclude-members": ", ".join(NOT_OURS)}
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
templates_path = ["_templates"]

# Names of other projects are looked up in small inventories that are made here: nothing is fetched.
intersphinx_mapping = write_inventories(HERE / "_build" / "inventories")
intersphinx_timeout = 1

html_theme = "pydata_sphinx_theme"
html_title = "heschl"
html_static_path = ["_static"]
html_css_files = ["heschl.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {name: [] for name in ("start", "choose", "data", "method", "study", "help", "index")}

# Warnings of examples belong to their readers, but for those of a machine without a display.
warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")


class Order:
    """Examples in the order in which their names are listed here: the first ones first."""

    NAMES = tuple(
        line.partition(":")[0]
        for line in (HERE / "gallery" / "ORDER.txt").read_text(encoding="utf-8").splitlines()
        if line
    )

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, name: str) -> int:
        """Return the place of an example."""
        return self.NAMES.index(name.removesuffix(".py"))

    def __repr__(self) -> str:
        """Return what sphinx hashes."""
        return "Order"


sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": os.environ.get("HESCHL_DOCS_EXAMPLES", "plot_"),
    "ignore_pattern": r"__init__\.py",
    "within_subsection_order": Order,
    "abort_on_example_error": True,
    "download_all_examples": False,
    "remove_config_comments": True,
    "min_reported_time": 1000,
    "show_memory": False,
    "write_computation_times": False,  # its page would fetch scripts from elsewhere
    "show_signature": False,
    "matplotlib_animations": False,
    "image_scrapers": ("matplotlib",),
    "reset_modules": ("matplotlib",),
    "reference_url": {"heschl": None},
    "doc_module": ("heschl",),
    "backreferences_dir": None,
    "capture_repr": ("_repr_html_", "__repr__"),
    "parallel": False,
}

write_pages(HERE)
