"""The stream features, one per file; none knows another (see `stream.negotiation`)."""
