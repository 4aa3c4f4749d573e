"""What the tests stand on: real processes, a clock that is set by hand, a provider made of stubs."""
