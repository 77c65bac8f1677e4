"""What the writer of NWB files is made of."""
