"""Remote domains: when to try them, what they have proved, and the stanzas that wait for them."""
