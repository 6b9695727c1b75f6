"""Named sets of sounds, one file each."""
