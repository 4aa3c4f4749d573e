"""What goes wrong on purpose: by words in a prompt, or by chance."""
