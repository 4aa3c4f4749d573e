"""Images and uploads in Redis: their names, owners and ends; the files are in the storage."""
