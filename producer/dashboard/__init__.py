"""The dashboard: a web page that lists jobs with their images."""
