"""`python -m hybrid_rl` is `hybrid-rl`."""

from hybrid_rl.cli import main

if __name__ == "__main__":
    main()
