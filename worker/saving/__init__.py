"""Save the images of a job: fetch, name and store each, while its URL lives."""
