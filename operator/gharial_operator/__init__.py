"""The operator: handlers -> snapshot -> policies (pure) -> specs (pure) -> apply (the only writer)."""
