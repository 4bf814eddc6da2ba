"""`python -m tagger`: the same program as `tagger`."""

from tagger.cli import main

if __name__ == "__main__":
    main()
