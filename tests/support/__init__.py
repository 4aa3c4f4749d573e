"""What the tests stand on: real processes, a clock set by hand, a provider of stubs."""
