"""The programs of the box: which, from where, built or fetched once."""
