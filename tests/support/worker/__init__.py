"""Jobs, requests and responses for the tests of the steps and the receiver."""
