"""The manual: pages in Markdown, made into HTML by `make docs`.

Some pages are written by programs, and tests compare them with the code: configuration.md, troubleshooting.md,
feature-set.md, figures.md, man/xmpp-gateway.1.
"""

project = "xmpp-gateway"
author = "the authors of xmpp-gateway"
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "xmpp-gateway"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
nitpicky = True
smartquotes = False
exclude_patterns = ["man", "generated"]  # a page for man(1), and what former versions of this file have left
