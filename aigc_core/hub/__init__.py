"""The Hugging Face Hub: push, pull, list, and the model card."""
