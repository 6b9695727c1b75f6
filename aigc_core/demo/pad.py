"""A pad of sixteen sounds that the keyboard plays, four rows of four as its keys lie."""

from __future__ import annotations

import html
from collections.abc import Sequence

KEYS = "1234qwerasdfzxcv"

# What a player or a pad does with keys. A pad plays the player of its place; it answers wherever the focus is, unless
# something is being typed there. Keys go by their place on the keyboard, whatever letter it has there.
PLAYED = """
const places = ['Digit1', 'Digit2', 'Digit3', 'Digit4', 'KeyQ', 'KeyW', 'KeyE', 'KeyR',
  'KeyA', 'KeyS', 'KeyD', 'KeyF', 'KeyZ', 'KeyX', 'KeyC', 'KeyV'];
const strike = pad => {
  const player = element.querySelectorAll('.sample audio')[pad.dataset.pad];
  player.currentTime = 0;
  player.play();
  pad.classList.add('struck');
  setTimeout(() => pad.classList.remove('struck'), 150);
};
element.addEventListener('pointerdown', event => {
  const pad = event.target.closest('[data-pad]');
  if (pad) strike(pad);
});
element.addEventListener('keydown', event => {
  const player = event.target.closest('.sample')?.querySelector('audio');
  if (event.code !== 'Space' || !player || event.target.matches('a, button')) return;
  event.preventDefault();
  if (!event.repeat) player.paused ? player.play() : player.pause();
});
document.addEventListener('keydown', event => {
  const pad = element.querySelector(`[data-pad="${places.indexOf(event.code)}"]`);
  if (!pad?.checkVisibility() || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest('input, textarea, select, [contenteditable=true]')) return;
  strike(pad);
});
"""


def pad_html(pictures: Sequence[str], names: Sequence[str]) -> str:
    """A pad of the first sounds of a listing: their pictures as addresses, and what each is called."""
    pads = "".join(
        f'<button type="button" data-pad="{place}" aria-keyshortcuts="{key}" style="background-image: url({picture})">'
        f"<kbd>{key}</kbd><span>{html.escape(name)}</span></button>"
        for place, (key, picture, name) in enumerate(zip(KEYS, pictures, names))
    )
    return f'<div class="pad">{pads}</div>'
