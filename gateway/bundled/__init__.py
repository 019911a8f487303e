"""Services that come with the gateway and speak HTTP; an operator turns one on with `serve = "webhook"`."""
