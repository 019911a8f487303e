"""DNS: from a domain to the addresses of its servers (RFC 6120 §3.2, XEP-0368)."""
