"""The cluster in virtual time: many nodes and domains on the real directory, leases and lanes, and what fails."""
