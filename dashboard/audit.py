"""What a model gets wrong without its figures showing it: copies of training images, classes missing or too rare."""

import pandas
import streamlit as st
from charts import class_bars, title
from downloads import ChartSheet
from language import t
from page import as_text, grid, head, name_few_images, name_unmeasured, open_page, protocol_sentence, select
from samples import show_samples
from sources import entries

from aigc_core.evaluation.results import FIGURES, neighbours_path
from aigc_core.serving.leaderboard import by_protocol, labels, ranked

# A class counts as covered from this part of the data's share on.
RARE = 0.1

head(t("Audit"), t("Does the model copy its training data, and does it draw every class in its share?"))
found = entries()
choices = {
    f"{line.name} · {protocol}": line for protocol, group in by_protocol(found).items() for line in ranked(group, "fid")
}
if not choices:
    name_unmeasured(found)
    st.stop()
line = choices[select(st.container(), t("Checkpoint"), list(choices), "audited")]
result = line.result
st.caption(protocol_sentence(result.protocol))
name_few_images(result)

audits = {name: result.figures[name] for name, kind in FIGURES.items() if kind.audit and name in result.figures}
explained = {
    "memorisation": t("Samples nearer to a training image than 99 % of held-out images are; 1 % is chance."),
    "mode_coverage": t("Classes with at least a tenth of their share of the data."),
    "class_imbalance": t("Samples that would have to change class to match the data."),
}
if not audits:
    st.info(
        t(
            "This evaluation could not audit the model: copies show only beside real samples that were held out of "
            "training, and classes only to the classifier of the data."
        ),
        icon=":material/info:",
    )
else:
    cells = grid(3)
    for name, figure in audits.items():
        with next(cells).container(border=True, height="stretch"):
            st.metric(title(name), f"{figure.value:.1%}", help=explained.get(name))
            st.caption(f"95 %: {figure.low:.1%} … {figure.high:.1%}")
            st.caption(as_text(t(FIGURES[name].caveat)))

known = {name: found for name, found in result.classes.items() if found.share and found.real_share}
shares = {name: found.share for name, found in known.items() if found.share}
real = {name: found.real_share for name, found in known.items() if found.real_share}
if shares:
    st.subheader(t("Class balance"), anchor=False)
    kinds = [t("samples"), t("data")]
    charts = ChartSheet("audit")
    charts.show(class_bars("", {0: shares, 1: real}, kinds, kinds, share=True), "classes")
    charts.offer()
    missing = [name for name, share in shares.items() if share.value < RARE * real[name].value]
    sentence = t("{covered} of {all} classes are covered.", covered=len(shares) - len(missing), all=len(shares))
    if missing:
        names = t(", ").join(map(as_text, missing))
        st.warning(f"{sentence} {t('Missing or rare: {names}.', names=names)}", icon=":material/warning:")
    else:
        st.success(sentence, icon=":material/check_circle:")
    off = [name for name, share in shares.items() if share.high < real[name].low or share.low > real[name].high]
    if off:
        st.markdown(t("Beyond doubt off their share of the data: {names}.", names=t(", ").join(map(as_text, off))))

if result.neighbours:
    st.subheader(t("Nearest training images"), anchor=False)
    st.caption(
        t(
            "The samples that most resemble training images, the most suspicious first. The score is the distance to "
            "the nearest training image over the mean distance to the 50 nearest: near 0 for a copy."
        )
    )
    pictures, numbers = st.columns(2, gap="medium")
    folder = line.entry.folder
    path = neighbours_path(result, folder) if folder else None
    if path and path.is_file():
        caption = t("Left the sample, then the training images nearest to it.")
        pictures.image(str(path), caption=caption, width="stretch", alt=caption)
    else:
        seeds = [neighbour.seed for neighbour in result.neighbours]
        with pictures:
            show_samples(line.entry, seeds, 6, t("These samples"))
            st.caption(t("Training images are not pushed to the Hub; evaluate here to see them beside the samples."))
            if st.button(t("Evaluate it here"), icon=":material/speed:"):
                open_page("evaluate.py", candidate=labels(found)[line.entry.reference])
    numbers.dataframe(
        pandas.DataFrame([neighbour.model_dump() for neighbour in result.neighbours]),
        hide_index=True,
        height="content",
        column_config={
            "seed": st.column_config.NumberColumn(t("Seed"), format="%d"),
            "train_index": st.column_config.NumberColumn(t("Training image"), format="%d"),
            "distance": st.column_config.NumberColumn(t("Distance"), format="%.3g"),
            "score": st.column_config.NumberColumn(t("Score"), format="%.3f"),
        },
    )
