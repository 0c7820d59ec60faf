"""The module that lets `python -m hybrid_rl` be `hybrid-rl`."""

from hybrid_rl.cli import main

if __name__ == "__main__":
    main()
