"""Run evaluations from the page: a form, and the queue that all visitors share."""

import os

import streamlit as st
from language import t
from page import as_text, grid, head, name_unmeasured, select
from sources import entries, evaluation_queue, visitor_id, visitor_token

from aigc_core import AIGCError
from aigc_core.evaluation.evaluate import DEFAULT_NUM_SAMPLES
from aigc_core.metrics.extractors import extractor_names
from aigc_core.serving.leaderboard import labels
from aigc_core.serving.queue import Job

SAMPLE_COUNTS = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
MAX_PROPOSED = 10
"""So many of one's own checkpoints without a result are chosen at first."""
STATES = {
    "waiting": ":gray-badge[:material/hourglass_empty: {}]",
    "running": ":blue-badge[:material/autorenew: {}]",
    "done": ":green-badge[:material/check: {}]",
    "failed": ":red-badge[:material/error: {}]",
    "cancelled": ":gray-badge[:material/block: {}]",
}


def own_jobs() -> list[Job]:
    """The jobs that this visitor has added."""
    return st.session_state.setdefault("jobs", [])


def may_cancel(job: Job) -> bool:
    """Whoever added a job may end it; where no strangers are, anyone may."""
    return any(job is own for own in own_jobs()) or "SPACE_ID" not in os.environ


def how_far(job: Job) -> str:
    """What a running job does, and for how long."""
    if job.progress.stage == "reference":
        return t("reading the reference data")
    if job.progress.stage == "figures":
        figure = job.progress.figure
        return t("computing {figure}", figure=t(figure)) if figure else t("computing the figures")
    share, seconds = f"{job.progress.share:.0%}", job.progress.eta_seconds
    if seconds is None:
        return share
    return t("{share} of the samples, about {minutes} min left", share=share, minutes=f"{seconds / 60:.0f}")


def show_job(job: Job, place: int, named: dict[str, str]) -> None:
    """A job's line: what, how far, and the way to end it. What others evaluate with their own rights stays unnamed.

    `place`: in the queue; `named`: what the page calls checkpoints, by reference.
    """
    row = st.container(border=True)
    visible = job.owner in (None, visitor_id())
    words = {
        "waiting": t("waiting"),
        "running": t("running"),
        "done": t("done"),
        "failed": t("failed"),
        "cancelled": t("cancelled"),
    }
    top = row.container(horizontal=True, vertical_alignment="center")
    name = as_text(named.get(job.reference, job.reference)) if visible else t("another visitor's checkpoint")
    top.markdown(f"**{name}** {STATES[job.state].format(words[job.state])}", width="stretch")
    if job.open and may_cancel(job):
        top.button(
            t("Cancel"), icon=":material/close:", key=f"cancel-{place}", on_click=evaluation_queue().cancel, args=(job,)
        )
    if visible:
        count = t("{count} samples", count=f"{job.num_samples:,}")
        row.caption(as_text(" · ".join(filter(None, [count, job.against, job.extractor]))))
    if job.state == "running":
        row.progress(job.progress.share, how_far(job))
    if job.state == "failed" and visible:
        row.error(as_text(job.message))


@st.fragment(run_every=1.0)
def show_queue(named: dict[str, str]) -> None:
    """The queue as it is now, the newest job first; checkpoints are `named` by reference."""
    jobs = evaluation_queue().jobs
    ended = sum(not job.open for job in jobs)
    if st.session_state.setdefault("ended", ended) != ended:
        # What has ended may have changed the list of checkpoints, which the rest of the page shows.
        st.session_state["ended"] = ended
        st.rerun()
    if not jobs:
        st.caption(t("The queue is empty."))
    for place, job in reversed(list(enumerate(jobs))):
        show_job(job, place, named)


head(
    t("Evaluate"),
    t(
        "Measures checkpoints in processes of their own: you may close this page meanwhile. One evaluation runs at a "
        "time on each GPU, or on this machine; the result appears on the leaderboard."
    ),
)
found = entries()
named = labels(found)
if not found:
    name_unmeasured(found)
    st.stop()
with st.form("evaluation"):
    cells = grid(4)
    unmeasured = [entry.reference for entry in found if not entry.ships and not entry.results]
    candidates = next(cells).multiselect(
        t("Checkpoints"),
        list(named),
        unmeasured[:MAX_PROPOSED] or list(named)[:1],
        format_func=named.__getitem__,
        key="candidate",
        bind="query-params",
    )
    counts = {count: f"{count:,}" for count in SAMPLE_COUNTS}
    default = SAMPLE_COUNTS.index(DEFAULT_NUM_SAMPLES)
    num_samples = select(next(cells), t("Number of samples"), SAMPLE_COUNTS, "samples", counts, default)
    against = next(cells).text_input(
        t("Reference data"),
        key="against",
        bind="query-params",
        placeholder=t("the training data's test split"),
        help=t("A data set, DATASET:SPLIT, or a folder or file on this machine."),
    )
    extractor = next(cells).selectbox(
        t("Extractor"),
        extractor_names(),
        None,
        key="extractor",
        bind="query-params",
        placeholder=t("made for the data, or for photographs"),
    )
    if st.form_submit_button(t("Add to the queue"), type="primary", icon=":material/playlist_add:"):
        for candidate in candidates:
            try:
                job = Job(candidate, num_samples, against or "", extractor or "", visitor_id())
                evaluation_queue().add(job, visitor_token())
                own_jobs().append(job)
            except AIGCError as error:
                st.warning(as_text(t(error.sentence)))
st.subheader(t("Queue"), anchor=False)
show_queue(named)
