"""`imagequeue doctor`: checks of everything that jobs depend on."""
