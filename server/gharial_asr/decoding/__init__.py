"""From encoder outputs to tokens, and from tokens to words."""
