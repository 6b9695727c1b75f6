"""Figures of a checkpoint as a benchmark on the Hub takes them: https://huggingface.co/docs/hub/eval-results."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from aigc_core.checkpoint.layout import MAX_CONFIG_BYTES
from aigc_core.checkpoint.reference import MAIN
from aigc_core.errors import AIGCError
from aigc_core.evaluation.results import FIGURES, read_results

from .card import HUB_DATASETS
from .client import checked_names
from .faults import faults_as_sentences

if TYPE_CHECKING:
    from huggingface_hub import HfApi

BENCHMARK_FILE = ".eval_results/aigc-studio.yaml"


def benchmark_claims(api: HfApi, folder: Path, benchmark: str) -> str:
    """The text of BENCHMARK_FILE, with a value for each task of the data set `benchmark`.

    A task's figure is the one that its id ends in (`fid`, `mnist_fid`, `aigc/fid`), on the task's split; among several
    protocols the first of `read_results` counts, the one with the most samples by the data's own extractor.
    Raises AIGCError if the data set is no benchmark, or the checkpoint has a figure for none of its tasks.
    """
    checked_names(benchmark, MAIN)
    tasks = _tasks(api, benchmark)
    results = read_results(folder)
    if benchmark in HUB_DATASETS.values():  # only then is it known which results are of this data set
        results = [result for result in results if HUB_DATASETS.get(result.protocol.dataset) == benchmark]
    entries = []
    for task in tasks:
        figure = next((name for name in FIGURES if re.search(rf"(^|[^a-z]){name}$", task["id"].lower())), None)
        result = next((r for r in results if r.protocol.split == task["split"] and figure in r.figures), None)
        if figure is None or result is None:
            continue
        value, protocol = result.figures[figure], result.protocol
        notes = (
            f"95 % interval {value.low:.6g} to {value.high:.6g}; {protocol.num_samples} samples against "
            f"{protocol.dataset}:{protocol.split}, {protocol.compared}, protocol {protocol.id}"
        )
        entries.append({"dataset": {"id": benchmark, "task_id": task["id"]}, "value": value.value, "notes": notes})
    if not entries:
        raise AIGCError(
            "None of the tasks of '{benchmark}' ({tasks}) ends in the name of a figure that this checkpoint has on "
            "its data; evaluate it first, or push without --benchmark.",
            benchmark=benchmark,
            tasks=", ".join(task["id"] for task in tasks),
        )
    return yaml.safe_dump(entries, sort_keys=False, allow_unicode=True)


def _tasks(api: HfApi, benchmark: str) -> list[dict[str, str]]:
    """The tasks of a data set's eval.yaml, each with its id and its split."""
    no_tasks = AIGCError("'{benchmark}' is not a benchmark: it has no eval.yaml that lists tasks.", benchmark=benchmark)
    with faults_as_sentences(f"'{benchmark}'"):
        found = api.get_paths_info(benchmark, ["eval.yaml"], repo_type="dataset")
        if not found or getattr(found[0], "size", MAX_CONFIG_BYTES) >= MAX_CONFIG_BYTES:
            raise no_tasks
        path = Path(api.hf_hub_download(benchmark, "eval.yaml", repo_type="dataset"))
    try:
        tasks = yaml.safe_load(path.read_text(encoding="utf-8"))["tasks"]
        tasks = [{"id": task["id"], "split": task.get("split", "test")} for task in tasks]
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError, TypeError, KeyError, AttributeError):
        raise no_tasks from None
    if not all(isinstance(word, str) for task in tasks for word in task.values()):
        raise no_tasks
    return tasks
