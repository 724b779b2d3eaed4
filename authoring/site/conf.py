"""How Sphinx makes the site from `build/site-pages`; `python -m authoring.site` calls it."""

from pathlib import Path

from authoring.site import order_pages, set_formula

HERE = Path(__file__).parent

project = "Batches and Momentum"
html_title = project
copyright = "the authors. Code: MIT. Text and figures: CC BY 4.0"
language = "en"
gettext_compact = False  # a file of texts for each page
gettext_uuid = False
templates_path = ["templates"]
extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
smartquotes = False  # quotation marks stay as the pages have them
exclude_patterns = ["homework/release"]

html_theme = "sphinx_book_theme"
html_css_files = ["katex/katex.min.css", "film.css", "course.css"]
html_js_files = [("film.js", {"defer": ""}), ("course.js", {"defer": ""})]
html_favicon = str(HERE / "static" / "icon.svg")
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # it fetches pages, which a page opened from a disk may not
html_use_index = False
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_navbar_depth": 1,
    "show_toc_level": 1,
    "article_header_end": ["languages", "article-header-buttons"],
    "navbar_persistent": [],  # the sidebar has the search field already
    "secondary_sidebar_items": {"**": ["page-toc"], "index": [], "claims": [], "data": []},
    "footer_content_items": ["copyright"],
    "logo": {"text": project},
}
html_context = {"default_mode": "auto", "languages": []}
html_sidebars = {"**": ["navbar-logo", "search-button-field", "sbt-sidebar-nav"]}


def setup(app):
    inline, block = (set_formula(display) for display in (False, True))
    app.add_html_math_renderer("katex", inline_renderers=(inline, None), block_renderers=(block, None))
    app.connect("html-page-context", order_pages, priority=900)


html_math_renderer = "katex"
