"""A file that is dropped anywhere on the page, but where something else takes files."""

from __future__ import annotations

import gradio as gr

DROPPED = """
document.addEventListener('dragover', event => {
  if (event.dataTransfer?.types.includes('Files')) event.preventDefault();
});
document.addEventListener('drop', event => {
  const input = document.querySelector('#dropped input[type=file]');
  if (event.defaultPrevented || !input || !event.dataTransfer?.files.length) return;
  event.preventDefault();
  input.files = event.dataTransfer.files;
  input.dispatchEvent(new Event('change', {bubbles: true}));
});
"""
"""What the page does with files that are dropped where nothing else takes them."""


def build() -> gr.File:
    """Where the file arrives; it is not seen."""
    return gr.File(type="filepath", visible="hidden", elem_id="dropped")
