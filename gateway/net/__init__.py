"""The network: certificates, listening, and finding other servers; the only sockets."""
