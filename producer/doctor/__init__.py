"""`imagequeue doctor`: checks of everything a job depends on."""
