"""All evaluated checkpoints, ranked within each protocol."""

import json

import pandas
import streamlit as st
from sources import entries

from aigc_core.leaderboard import by_protocol, rows, short_name
from aigc_core.results import FIGURES

st.title("Leaderboard")
st.caption(
    "Figures with their 95 % intervals. A rank is one plus the number of checkpoints surely better in FID, "
    "so checkpoints that cannot be told apart share it."
)
found = entries()
groups = by_protocol(found)
if len(groups) > 1:
    st.info("Figures of different data, extractors or sample counts cannot be ranked together; each has its own table.")
for number, group in enumerate(groups.values()):
    protocol = group[0][1].protocol
    st.subheader(protocol.dataset)
    st.caption(
        f"{protocol.num_samples:,} samples against {protocol.dataset} ({protocol.split}), features of "
        f"`{protocol.extractor}` ({protocol.extractor_hash[:8]}), protocol `{protocol.id}`."
    )
    table = pandas.DataFrame(rows(group))
    shown = table[["rank", "checkpoint", "images seen"]].copy()
    for kind in FIGURES.values():
        if kind.title in table:
            arrow = "↓" if kind.better == "lower" else "↑"
            shown[f"{kind.title} {arrow}"] = [
                "—" if pandas.isna(value) else f"{value:.4g} ± {reach:.2g}"
                for value, reach in zip(table[kind.title], table[f"{kind.title} ±"])
            ]
    st.dataframe(shown, hide_index=True, width="stretch")
    left, middle, right, _ = st.columns([1, 1, 1, 4])
    left.download_button("CSV", table.to_csv(index=False), f"{protocol.id}.csv", key=f"csv{number}")
    results = {short_name(entry.reference): result.model_dump(mode="json") for entry, result in group}
    middle.download_button("JSON", json.dumps(results, indent=2), f"{protocol.id}.json", key=f"json{number}")
    right.download_button("LaTeX", table.style.hide(axis="index").to_latex(), f"{protocol.id}.tex", key=f"tex{number}")
unmeasured = [short_name(entry.reference) for entry in found if not entry.results]
if unmeasured:
    st.caption(f"Not evaluated yet: {', '.join(unmeasured)}.")
