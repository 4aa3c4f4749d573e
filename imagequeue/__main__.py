"""`python -m imagequeue` is the command line."""

from .producer.cli.main import main

if __name__ == "__main__":
    main()
