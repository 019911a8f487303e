"""What a certificate proves (RFC 6120 §13.7.2), and which ones are ours."""
