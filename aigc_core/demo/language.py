"""The app's texts in the language of the visitor: the browser's, or what was chosen on the page. English is the key."""

from __future__ import annotations

import gradio as gr
from gradio.context import LocalContext
from gradio.i18n import I18nData

from ..translation import LANGUAGES, chinese, translate

MARK = "text: "
"""What the keys of texts begin with: Gradio translates every string that is a key, also the value of a control."""


class Texts(gr.I18n):
    """Texts of components by their English, which the browser translates."""

    def __init__(self, **translations: dict[str, str]) -> None:
        super().__init__(
            **{
                language: {MARK + english: said for english, said in texts.items()}
                for language, texts in translations.items()
            }
        )

    def __call__(self, key: str) -> I18nData:
        return super().__call__(MARK + key)


_chinese = {english: translation for english, translation in chinese().items() if "{" not in english}
text = Texts(en={english: english for english in _chinese}, zh=_chinese, **{"zh-CN": _chinese, "zh-TW": _chinese})

PREFER_CHOSEN = """
let language = new URLSearchParams(location.search).get('__lang');
try { language ??= localStorage.getItem('aigc-studio-language'); } catch {}  // a frame without storage
const preferred = {en: 'en', zh: 'zh-CN'}[language?.split('-')[0]];
if (preferred) {
  Object.defineProperty(navigator, 'language', {value: preferred});
  Object.defineProperty(navigator, 'languages', {value: [preferred]});
  const fetch = window.fetch;
  window.fetch = (resource, options = {}) => {
    const headers = new Headers(options.headers ?? resource.headers);
    headers.set('Accept-Language', preferred);
    return fetch(resource, {...options, headers});
  };
}
document.documentElement.lang = navigator.language;
"""
"""Makes a browser one that prefers the language in the address (`__lang`) or, without one, the chosen one: both Gradio,
which reads `navigator.language` as soon as it runs, and the server, which reads `Accept-Language`, follow it."""

CHOOSE = """
for (const button of element.querySelectorAll('button')) {
  button.setAttribute('aria-pressed', document.documentElement.lang.startsWith(button.lang));
  button.addEventListener('click', () => {
    const url = new URL(location.href);
    url.searchParams.delete('__lang');
    try { localStorage.setItem('aigc-studio-language', button.lang); }
    catch { url.searchParams.set('__lang', button.lang); }
    location.replace(url);
  });
}
"""


def switch() -> gr.HTML:
    """Where the visitor chooses the language, which the browser remembers; the page opens again at its address."""
    buttons = [f'<button type="button" lang="{code}">{name}</button>' for code, name in LANGUAGES.items()]
    return gr.HTML("".join(buttons), js_on_load=CHOOSE, apply_default_css=False, elem_id="language", min_width=100)


def t(sentence: str, **values: object) -> str:
    """A sentence that the server puts into a message or into HTML, in the language that the visitor reads."""
    return translate(sentence, page_language(), **values)


def page_language() -> str:
    """The one of LANGUAGES that the visitor of this event reads."""
    # Gradio hands the request of an event to parameters of its handler; below it, only this holds it.
    request = LocalContext.request.get(None)
    return "zh" if request and request.headers.get("accept-language", "").startswith("zh") else "en"
