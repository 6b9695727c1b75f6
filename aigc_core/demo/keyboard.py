"""The page by keyboard: menus open when asked to, what is typed or moved by keys counts as what is clicked, arrow keys
move among tabs and pictures, and Escape returns to where one was."""

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

// Arrow keys move the focus among tabs and among the pictures of a sheet; Enter chooses, as with any button.
document.addEventListener('keydown', event => {
  const among = event.target.closest('[role=tablist], .sheet');
  const buttons = [...among?.querySelectorAll('button') ?? []].filter(button => button.offsetParent);
  const columns = buttons.filter(button => button.offsetTop === buttons[0].offsetTop).length;
  const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns}[event.key];
  const from = buttons.indexOf(event.target), to = buttons[from + step];
  if (from < 0 || !step) return;
  event.preventDefault();
  if (!to || /Left|Right/.test(event.key) && to.offsetTop !== event.target.offsetTop) return;
  if (among.matches('.sheet')) [event.target.tabIndex, to.tabIndex] = [-1, 0];
  to.focus();
});

// Escape returns to what opened the tab, unless the visitor chose the tab by its name.
let clicked = null, opener = null, open = null;
const shownTab = () => document.querySelector('button[role=tab][aria-selected=true]')?.dataset.tabId;
document.addEventListener('click', event => {
  if (!event.isTrusted) return;  // the page's own clicks on hidden buttons
  const button = event.target.closest('button');
  clicked = button && !button.matches('[role=tab]') ? {tab: shownTab(), button} : null;
}, true);
new MutationObserver(() => {
  const tab = shownTab();
  if (tab && tab !== open) [opener, clicked, open] = [clicked, null, tab];
}).observe(document, {subtree: true, attributeFilter: ['aria-selected']});
document.addEventListener('keydown', event => {
  if (event.key !== 'Escape' || event.target.matches('input, textarea')) return;
  const gallery = event.target.closest('#images'), enlarged = gallery?.querySelector('.thumbnail-small.selected');
  if (enlarged) {
    const index = [...enlarged.parentNode.children].indexOf(enlarged);
    new MutationObserver((_, observer) => {
      if (gallery.querySelector('.preview')) return;
      observer.disconnect();
      gallery.querySelectorAll('.thumbnail-item')[index]?.focus();
    }).observe(gallery, {childList: true, subtree: true});
  } else if (opener) {
    const {tab, button} = opener, name = document.querySelector(`button[role=tab][data-tab-id=${tab}]`);
    if (!name?.offsetParent || !button.isConnected) return;
    name.click();
    new MutationObserver((_, observer) => {
      if (button.isConnected && !button.offsetParent) return;
      observer.disconnect();
      button.focus();
    }).observe(document.body, {attributes: true, childList: true, subtree: true});
  }
}, true);

// A gallery that enlarges a picture focuses its small copy, for which the page need not scroll.
const focus = HTMLElement.prototype.focus;
HTMLElement.prototype.focus = function (options) {
  focus.call(this, this.closest('#images') ? {...options, preventScroll: true} : options);
};
"""
