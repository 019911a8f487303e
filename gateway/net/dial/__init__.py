"""Opening a stream to another server."""
