"""The simulated card: a process that behaves like a PCI card, down to its flash, licence and capacity."""
