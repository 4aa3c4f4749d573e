"""The routes of the dashboard, a module for each page or group of pages."""
