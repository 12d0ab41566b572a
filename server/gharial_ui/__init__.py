"""The page: static files, and the few facts they ask a server for."""
