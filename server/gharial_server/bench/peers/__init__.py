"""Other recognisers on the same audio, the same threads and in the same run."""
