"""A vendor that imagequeue does not know: an account and a provider, as its folder would hold."""
