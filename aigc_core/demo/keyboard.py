"""The page by keyboard: menus open when asked to, and what is typed or moved by keys counts as what is clicked."""

from __future__ import annotations

KEYBOARD = """
let pressed = '';

document.addEventListener('pointerdown', () => pressed = '', true);
document.addEventListener('keydown', event => {
  pressed = event.key;
  if (event.target.matches('[role=combobox][aria-expanded=false]') && /^(ArrowDown|ArrowUp|.)$/u.test(event.key))
    event.target.dispatchEvent(new FocusEvent('focus'));
}, true);

// Gradio opens a menu as soon as it has the focus; who only passes by with the tab key did not ask for it.
document.addEventListener('focus', event => {
  if (pressed === 'Tab' && event.isTrusted && event.target.matches?.('[role=combobox]'))
    event.stopImmediatePropagation();
}, true);

// Gradio tells of what is chosen from a menu of several, but not of free text.
document.addEventListener('keyup', event => {
  if (event.key === 'Enter' && event.target.matches('#classes input')) document.getElementById('classes-typed').click();
});

// Gradio tells only of a pointer that lets a slider go.
document.addEventListener('change', event => {
  if (pressed && event.target.matches('input[type=range]'))
    event.target.dispatchEvent(new PointerEvent('pointerup', {bubbles: true}));
});

// A gallery that enlarges a picture focuses its small copy, for which the page need not scroll.
const focus = HTMLElement.prototype.focus;
HTMLElement.prototype.focus = function (options) {
  focus.call(this, this.closest('#images') ? {...options, preventScroll: true} : options);
};
"""
