"""Sounds, which models draw as log-mel spectrograms."""

from aigc_core.modalities.base import modalities

from .modality import AudioModality

modalities.register(AudioModality.name, AudioModality)
