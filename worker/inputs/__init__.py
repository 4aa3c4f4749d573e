"""The input images of a paid request: looked at, fetched, and handed to the provider."""
