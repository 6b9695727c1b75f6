"""A small Hugging Face Hub on this machine: models, data sets, Spaces and sign-in, which can also be told to fail.

    python -m tests.local_hub --port 8400

starts it by hand; what it prints lets every program that uses huggingface_hub push to it, pull from it and deploy to it
without an account. Paths, fields and headers are those of the client huggingface_hub (hf_api.py, _commit_api.py,
_space_api.py, lfs.py, file_download.py).
"""

from .server import LocalHub

__all__ = ["LocalHub"]
