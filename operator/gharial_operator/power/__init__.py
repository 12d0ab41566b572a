"""Taking a machine's power away and giving it back: what makes a flashed bitstream live."""
