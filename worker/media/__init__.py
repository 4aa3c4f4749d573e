"""What a file really is, checked by its bytes."""
