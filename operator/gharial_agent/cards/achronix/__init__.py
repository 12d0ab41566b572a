"""Achronix cards: found on the PCI bus, flashed over JTAG by the vendor's tool ACE."""
