"""The stream features, one per file; each knows no other (see `stream.negotiation`)."""
