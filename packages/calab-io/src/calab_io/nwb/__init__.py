"""What the reader of NWB files is made of."""
