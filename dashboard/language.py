"""The dashboard's words in English and Chinese.

English sentences are the keys. What `aigc_core.translation` does not have of the core's (why a checkpoint is broken,
say) stays in English.
"""

import streamlit as st

from aigc_core import translation

LANGUAGES = {"en": "English", "zh": "中文"}

CHINESE = {
    # The frame
    "Leaderboard": "排行榜",
    "Compare": "比较",
    "Training": "训练过程",
    "Audit": "审查",
    "Evaluate": "评测",
    "Checkpoints": "检查点",
    "Add your own": "添加",
    "A Hub id, an owner, `collection:…`, `tag:…` or a folder. Shipped checkpoints are always listed.": (
        "Hub 仓库名、所有者、`collection:…`、`tag:…` 或文件夹。随附的检查点始终列出。"
    ),
    "Type one and press Enter:\n\n"
    "- `owner/name`: a repository on the Hub with all its revisions, `owner/name@revision` one of them\n"
    "- `owner`: all that an owner has on the Hub\n"
    "- `collection:owner/name-id`, `tag:name`\n"
    "- a local folder: a checkpoint or a run": (
        "输入后按回车：\n\n"
        "- `owner/name`：Hub 上的仓库及其全部版本；`owner/name@revision`：其中一个版本\n"
        "- `owner`：某所有者在 Hub 上的全部检查点\n"
        "- `collection:owner/name-id`、`tag:name`\n"
        "- 本地文件夹：一个检查点或一次训练"
    ),
    "Signed in as {name}: your private checkpoints open, for you alone.": (
        "已登录：{name}。您的私有检查点可以打开，且仅您可见。"
    ),
    "Sign out": "退出登录",
    "Sign in with Hugging Face": "使用 Hugging Face 登录",
    "Reading checkpoints …": "正在读取检查点…",
    "Still reading: {names}": "仍在读取：{names}",
    "Not shown, for a reason: {count}": "无法显示（附原因）：{count}",
    "Not evaluated yet": "尚未评测",
    "Evaluate one": "去评测",
    "There is no checkpoint here; add one in the sidebar.": "这里还没有检查点；请在侧边栏添加。",
    "Sampling …": "正在采样…",
    "{samples} samples against {reference} images of {dataset} ({split}), features of `{extractor}` (weights "
    "{weights}), protocol `{id}`.": (
        "{samples} 个样本，对照 {dataset}（{split}）的 {reference} 张图像，特征取自 `{extractor}`（权重 {weights}），"
        "评测协议 `{id}`。"
    ),
    "images seen": "张训练图像",
    "Images seen": "已训练图像数",
    "{count} images seen": "已训练 {count} 张图像",
    "Checkpoint": "检查点",
    "Model": "模型",
    "Protocol": "评测协议",
    "First seed": "起始种子",
    # The figures
    "How far these figures can be trusted": "这些指标的可信程度",
    # The leaderboard
    "Figures with their 95 % intervals. A rank is one plus the number of checkpoints that are better beyond doubt, "
    "so checkpoints that cannot be told apart share it.": (
        "各项指标附 95% 置信区间。名次等于“确定优于它的检查点数”加一，因此无法区分高下的检查点名次相同。"
    ),
    "Name contains": "名称包含",
    "Architecture": "架构",
    "Figures": "指标",
    "Rank by": "排名依据",
    "all": "全部",
    "There are {count} tables because figures measured on other data, with another extractor or another "
    "number of samples cannot be ranked together.": (
        "共有 {count} 张表：数据、特征提取器或样本数不同的指标不能放在一起排名。"
    ),
    "No checkpoint of this table passes the filter.": "本表中没有符合筛选条件的检查点。",
    "Rank": "名次",
    "Compare the ticked rows": "比较所选行",
    "Tick two rows or more at their left end.": "请在行首勾选两行或更多。",
    # Comparing
    "Two checkpoints or more of one protocol: is the difference real, and what does it look like?": (
        "同一评测协议下的两个或多个检查点：差异是否真实，看起来又如何？"
    ),
    "Judge by": "判定依据",
    "Choose two checkpoints or more.": "请选择两个或更多检查点。",
    "**{a}** is better than **{b}**: {figure} {first} against {second}; confidence {share}.": (
        "**{a}** 优于 **{b}**：{figure} {first} 对 {second}；置信度 {share}。"
    ),
    "**{a}** is worse than **{b}**: {figure} {first} against {second}; confidence {share}.": (
        "**{a}** 不如 **{b}**：{figure} {first} 对 {second}；置信度 {share}。"
    ),
    "**{a}** and **{b}** cannot be told apart: {figure} {first} against {second}.": (
        "**{a}** 与 **{b}** 无法区分高下：{figure} {first} 对 {second}。"
    ),
    "Better in {names}.": "更优：{names}。",
    "Worse in {names}.": "更差：{names}。",
    "No difference in {names}.": "无显著差异：{names}。",
    ", ": "、",
    "Quality against diversity": "质量与多样性",
    "Up: samples look like the data. Right: the data's variety is covered. Bars are 95 % intervals.": (
        "越靠上，样本越像真实数据；越靠右，数据的多样性覆盖得越全。误差线为 95% 置信区间。"
    ),
    "By class": "按类别",
    "Share of the samples": "样本占比",
    "The same seeds": "相同种子的样本",
    # Training
    "Figures of a model's revisions against the images seen, with bands of 95 %. Click a point to see its samples.": (
        "模型各版本的指标随训练图像数的变化，色带为 95% 置信区间。点击数据点可查看该版本的样本。"
    ),
    "No model here has two evaluated revisions or more. Add a repository or a run in the sidebar.": (
        "这里没有包含两个以上已评测版本的模型。请在侧边栏添加仓库或训练文件夹。"
    ),
    "Samples of": "样本来自版本",
    # The audit
    "This evaluation could not audit the model: copies show only beside images that were held out of training, and "
    "classes only to the classifier of the data.": (
        "此次评测无法审计该模型：只有与未参与训练的图像对照才能发现复制，只有数据的分类器才能识别类别。"
    ),
    "Does the model copy training images, and does it draw every class in its share?": (
        "模型是否照抄训练图像？各类别是否都按比例生成？"
    ),
    "Samples nearer to a training image than 99 % of held-out images are; 1 % is chance.": (
        "比 99% 的留出图像更接近某张训练图像的样本所占比例；1% 属偶然水平。"
    ),
    "Classes with at least a tenth of their share of the data.": "样本占比至少达到数据占比十分之一的类别。",
    "Samples that would have to change class to match the data.": "要与数据分布一致，需要改变类别的样本比例。",
    "Class balance": "类别平衡",
    "samples": "样本",
    "data": "数据",
    "{covered} of {all} classes are covered.": "{all} 个类别中已覆盖 {covered} 个。",
    "Missing or rare: {names}.": "缺失或稀少：{names}。",
    "Beyond doubt off their share of the data: {names}.": "占比确定偏离数据的类别：{names}。",
    "Nearest training images": "最近的训练图像",
    "The samples that most resemble training images, the most suspicious first. The score is the distance to "
    "the nearest training image over the mean distance to the 50 nearest: near 0 for a copy.": (
        "与训练图像最相似的样本，最可疑的在前。得分为到最近训练图像的距离与到最近 50 张的平均距离之比；照抄时接近 0。"
    ),
    "Left the sample, then the training images nearest to it.": "左侧为样本，其后为与之最近的训练图像。",
    "These samples": "这些样本",
    "Training images are not pushed to the Hub; evaluate here to see them beside the samples.": (
        "训练图像不会上传到 Hub；在此评测即可与样本并排查看。"
    ),
    "Evaluate it here": "在此评测",
    "Seed": "种子",
    "Training image": "训练图像序号",
    "Distance": "距离",
    "Score": "得分",
    # Evaluating
    "Measures a checkpoint in a process of its own: you may close this page meanwhile. One evaluation runs at a "
    "time on each GPU, or on this machine; the result appears on the leaderboard.": (
        "评测在独立进程中进行，期间可以关闭本页。每块 GPU（或本机）同一时间只运行一项评测；结果会出现在排行榜上。"
    ),
    "Number of samples": "样本数",
    "{count} samples": "{count} 个样本",
    "Reference data": "对照数据",
    "the training data's test split": "训练数据的测试集",
    "A data set, DATASET:SPLIT, or a folder of images on this machine.": "数据集名、数据集:划分，或本机的图像文件夹。",
    "Extractor": "特征提取器",
    "made for the data": "与数据相配",
    "Add to the queue": "加入队列",
    "Queue": "队列",
    "The queue is empty.": "队列为空。",
    "another visitor's checkpoint": "其他访客的检查点",
    "reading the reference data": "正在读取参考数据",
    "computing the figures": "正在计算指标",
    "{share} of the samples, about {minutes} min left": "样本已完成 {share}，约剩 {minutes} 分钟",
    "waiting": "等待中",
    "running": "运行中",
    "done": "已完成",
    "failed": "失败",
    "cancelled": "已取消",
    "Cancel": "取消",
}


def choose_language() -> None:
    """The switch. A bare address opens in the browser's language, a link in the one it was made in (`lang`)."""
    if "language" not in st.session_state:
        from_browser = "zh" if (st.context.locale or "").startswith("zh") and not st.query_params else "en"
        asked = st.query_params.get("lang", "")
        st.session_state["language"] = asked if asked in LANGUAGES else from_browser
    language = st.segmented_control(
        "Language · 语言",
        list(LANGUAGES),
        format_func=LANGUAGES.__getitem__,
        required=True,
        key="language",
        persist_state="session",
        label_visibility="collapsed",
    )
    if st.query_params.get("lang") != language:
        st.query_params["lang"] = language or "en"


def t(sentence: str, **values: object) -> str:
    """A sentence in the visitor's language, with its places filled."""
    if st.session_state["language"] == "zh":
        sentence = CHINESE.get(sentence) or translation.CHINESE[sentence]
    return sentence.format(**values) if values else sentence
