"""Validate images and videos by their bytes, without decoding them."""
