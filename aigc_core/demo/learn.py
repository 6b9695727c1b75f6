"""The tab Learn: how generative models learn, in lessons of five minutes (`aigc_core.demo.lessons`)."""

from __future__ import annotations

import html
import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ..config import whole_number
from ..errors import AIGCError
from .language import t, text
from .lessons import Lesson, lessons, lessons_in_order
from .visitor import errors_shown

SEED = 1
LAST_ANSWER = 99
"""No lesson has more answers, which are numbered from 0."""
CHOOSING = """element.addEventListener('click', event => {
  const answer = event.target.closest('[data-index]');
  const answers = answer?.parentElement;
  if (!answer || answers.matches('.told')) return;
  const pressed = answer.getAttribute('aria-pressed') !== 'true';
  if (answers.matches('.texts'))
    answers.querySelector('[aria-pressed=true]')?.setAttribute('aria-pressed', 'false');
  answer.setAttribute('aria-pressed', pressed);
});"""
CHOSEN = """(name, seed) => [name, seed,
  [...document.querySelectorAll('#guess [aria-pressed=true]')].map(answer => Number(answer.dataset.index)).join()]"""
ADDRESSED = "(_, lesson) => [new URLSearchParams(location.search).get('lesson') ?? '', lesson]"
NOTED = """lesson => {
  const url = new URL(location.href);
  url.searchParams.set('lesson', lesson);
  history.replaceState(null, '', url);
}"""


@dataclass
class LearnTab:
    """What the page refers to: the lesson that the address names, and the one that is shown."""

    addressed: gr.Textbox
    lesson: gr.Radio

    def begin_with(self, selected: Any) -> None:
        """Show the lesson that the address names, or the first one, after the event of the tab's opening."""
        private: Any = {"show_progress": "hidden", "api_visibility": "private"}
        selected.then(offer_lessons, [self.addressed, self.lesson], self.lesson, js=ADDRESSED, **private)


def offer_lessons(addressed: str, shown: str | None) -> Any:
    """The lessons to choose from, and one of them chosen: that of the address, that which is shown, or the first."""
    known = lessons_in_order()
    chosen = addressed if addressed in lessons else shown or known[0].name
    return gr.Radio(choices=[(t(lesson.title), lesson.name) for lesson in known], value=chosen)


def begin(name: str, seed: int = SEED) -> list[Any]:
    """Updates of all that shows a lesson, before the guess."""
    lesson = lessons[name]
    return [
        seed,
        guess_html(lesson, seed),
        gr.Button(visible=True),
        "",
        gr.Column(visible=False),
        "",
        gr.Slider(visible=False),
        gr.Button(visible=False),
    ]


def guess_html(lesson: Lesson, seed: int, chosen: Collection[int] = (), told: bool = False) -> str:
    """The question and its answers, or its pictures, as buttons; `told`: the guess is over."""
    pictures = lesson.pictures(seed)
    answers = [f'<img src="{picture}" alt="{number}">' for number, picture in enumerate(pictures, 1)]
    answers = answers or [html.escape(t(choice)) for choice in lesson.choices]
    buttons = []
    for index, answer in enumerate(answers):
        right = ' class="right"' if told and not pictures and index == lesson.right else ""
        pressed = "true" if index in chosen else "false"
        buttons.append(f'<button type="button" data-index="{index}" aria-pressed="{pressed}"{right}>{answer}</button>')
    kind = f"answers {'pictures' if pictures else 'texts'}{' told' if told else ''}"
    return f'<p>{html.escape(t(lesson.question))}</p><div class="{kind}">{"".join(buttons)}</div>'


def tell(name: str, seed: int, chosen: str) -> list[Any]:
    """Updates after the guess, numbers of answers with commas between: whether it is right, and what to remember."""
    lesson = lessons[name]
    entries = (whole_number(entry, LAST_ANSWER) for entry in chosen.split(","))
    numbers = [number for number in entries if number is not None]
    with errors_shown():
        if not numbers:
            raise AIGCError("Choose an answer first.")
    said = f"<p><b>{html.escape(lesson.verdict(seed, numbers))}</b></p><p>{html.escape(t(lesson.conclusion))}</p>"
    return [
        guess_html(lesson, seed, numbers, told=True),
        gr.Button(visible=False),
        said,
        gr.Column(visible=True),
        gr.Slider(
            visible=bool(lesson.dial),
            label=t(lesson.dial) if lesson.dial else "",
            maximum=max(1, lesson.stops - 1),
            value=lesson.first_stop,
        ),
        gr.Button(visible=bool(lesson.again), value=t(lesson.again) if lesson.again else ""),
    ]


def reveal(name: str, seed: int) -> Iterator[str]:
    """What is seen after the guess; some lessons let it grow."""
    with errors_shown():
        yield from lessons[name].reveal(seed)


def show(name: str, seed: int, stop: float) -> str:
    """What is seen at a position of the slider."""
    with errors_shown():
        return lessons[name].show(seed, int(stop))


def anew(name: str) -> list[Any]:
    """Updates for another try by other chances: the guess is over, unless it is of pictures, which are others then."""
    lesson, seed = lessons[name], random.randrange(2, 1_000_000)
    if lesson.pictures(seed):
        return begin(name, seed)
    return [seed, *[gr.skip()] * 5, gr.Slider(value=lesson.first_stop), gr.skip()]


def reveal_anew(name: str, seed: int) -> Iterator[str]:
    """What is seen of another try, where there is nothing to guess first."""
    if not lessons[name].pictures(seed):
        yield from reveal(name, seed)


def build() -> LearnTab:
    """The tab's components and the events that stay inside it."""
    private: Any = {"api_visibility": "private"}
    quiet: Any = {"show_progress": "hidden", **private}
    lesson = gr.Radio([], label=text("Lesson"), elem_id="lesson", interactive=True)
    seed, addressed, chosen = gr.State(SEED), gr.Textbox(visible=False), gr.Textbox(visible=False)
    with gr.Row(elem_classes="wide"):
        with gr.Column(scale=5, min_width=290, elem_classes="controls"):
            guess = gr.HTML(js_on_load=CHOOSING, elem_id="guess", apply_default_css=False)
            see = gr.Button(text("See what happens"), variant="primary", visible=False, elem_id="see")
            verdict = gr.HTML(elem_id="verdict", apply_default_css=False)
        with gr.Column(scale=8, min_width=300, elem_classes="stage", visible=False) as stage:
            dial = gr.Slider(0, 1, 0, step=1, buttons=[], visible=False, elem_id="dial")
            seen = gr.HTML(elem_id="seen", elem_classes="lesson", apply_default_css=False)
            again = gr.Button("", size="sm", visible=False, elem_id="again")
    begun = [seed, guess, see, verdict, stage, seen, dial, again]
    told = [guess, see, verdict, stage, dial, again]
    telling = see.click(tell, [lesson, seed, chosen], told, js=CHOSEN, **quiet)
    revealing = telling.success(reveal, [lesson, seed], seen, **private)
    repeating = again.click(anew, lesson, begun, **quiet).then(reveal_anew, [lesson, seed], seen, **private)
    dial.input(show, [lesson, seed, dial], seen, trigger_mode="always_last", cancels=[revealing, repeating], **quiet)
    beginning = lesson.change(begin, lesson, begun, cancels=[revealing, repeating], **quiet)
    beginning.then(None, lesson, None, js=NOTED, **private)
    return LearnTab(addressed, lesson)
