"""The page of pictures: every job as a person wants to see it, in a browser."""
