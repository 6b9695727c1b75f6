"""Named collections of texts, one file each."""
