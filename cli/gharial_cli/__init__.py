"""The one command line: verbs are loaded only when they are called."""
