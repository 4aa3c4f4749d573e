"""`imagequeue up` and `imagequeue demo`: every process on one machine."""
