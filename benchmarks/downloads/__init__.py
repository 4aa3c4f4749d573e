"""Images saved a second, and the jobs that download benchmarks start from."""
