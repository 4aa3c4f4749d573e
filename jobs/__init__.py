"""What a job is, how it may change, where it is kept and when it wakes."""
