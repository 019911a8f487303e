"""Services that come with the gateway and speak HTTP: what an operator turns on with `serve = "webhook"`."""
