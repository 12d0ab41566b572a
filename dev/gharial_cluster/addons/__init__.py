"""What every cluster of the box has from the start: names, and the gateway."""
