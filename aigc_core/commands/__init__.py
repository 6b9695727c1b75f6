"""The commands of `python -m aigc_core`, a module each, with `add_arguments(parser)` and `run(arguments)`."""
