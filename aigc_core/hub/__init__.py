"""The Hugging Face Hub: push, pull, list, and the model card."""

TAG = "aigc-studio"
"""What marks a repository on the Hub as one of this library's checkpoints."""
