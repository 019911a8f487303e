"""Evidence for a certificate besides the authorities: what its domain says elsewhere."""
