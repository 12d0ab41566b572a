"""Cards behind one small protocol; a driver's module knows its hardware, nothing else does."""
