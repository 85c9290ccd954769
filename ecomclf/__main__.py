"""`python -m ecomclf` is the command `ecomclf`."""

from ecomclf.cli import main

if __name__ == "__main__":
    main()
