"""The network: certificates, doors, and finding other servers; with storage the only room that meets the reactor."""
