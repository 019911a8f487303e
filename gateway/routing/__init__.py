"""Who may say what, and which route takes it: policy, router, and what every route is made of."""
