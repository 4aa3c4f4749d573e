"""One browser and one API for all of these tests: fixtures of a package last as long as it."""
