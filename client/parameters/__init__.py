"""The parameters of each model, for type checkers: a module for each account of the providers."""
