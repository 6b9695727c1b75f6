"""How texts are cut into tokens, one file each."""
