"""The recogniser: features, model, state, decoding, tokenizer, checkpoint formats."""
