"""Fuzzing: whatever comes from outside is read, or refused in one sentence.

    python -m tests.fuzz [TARGET …] --seconds 600 [--seed N]
    python -m tests.fuzz TARGET --input FILE

A target (one module each, `table.TARGETS` lists them) makes inputs from a seed and gives each to the product. Success
and an AIGCError of one line are fine; any other exception, a hang or a leap in memory is a failure, and its input is
kept in a file that the second form tries again. pytest runs the first few hundred inputs of each target.
"""
