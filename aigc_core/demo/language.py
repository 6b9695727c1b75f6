"""What the app says, in English and Chinese."""

from __future__ import annotations

import gradio as gr
from gradio.context import LocalContext

from ..errors import AIGCError
from ..translation import CHINESE

WORDS = {
    "model": ("Model", "模型"),
    "step": ("Training step", "训练步"),
    "final": ("final", "最终"),
    "opening": ("Opening the model", "正在打开模型"),
    # Generate
    "generate": ("Generate", "生成"),
    "seed": ("Seed", "种子"),
    "dice": ("🎲 New seed", "🎲 换个种子"),
    "count": ("Images", "数量"),
    "classes": ("Classes", "类别"),
    "classes_info": ("none: any · several: in turn · a blend: Bag:0.7+Coat:0.3", "留空:任意 · 多个:依次 · 混合:Bag:0.7+Coat:0.3"),
    "truncation": ("Truncation", "截断"),
    "truncation_z": ("in Z · 1: full variety · less: nearer the average", "Z 空间 · 1:全部多样性,越小越平均"),
    "truncation_w": ("in W · 1: full variety · less: nearer the average", "W 空间 · 1:全部多样性,越小越平均"),
    "directions": ("LATENT DIRECTIONS, THE STRONGEST FIRST", "潜变量方向(最强的在前)"),
    "direction": ("Direction", "方向"),
    "others": ("Other directions", "其他方向"),
    "others_info": ("by name, in standard deviations", "按名称,以标准差为单位"),
    "mix_seed": ("Styles from seed", "风格来自种子"),
    "mix_layer": ("from layer", "从第几层起"),
    "zip": ("Download all (zip)", "全部下载 (zip)"),
    "to_explore": ("Explore around the first image", "在第一幅图周围探索"),
    "link": ("Link to exactly these images", "指向这些图像的链接"),
    "examples": ("START FROM AN EXAMPLE", "从示例开始"),
    "example_sneakers": ("Sixteen sneakers", "十六只运动鞋"),
    "example_blend": ("From bag to T-shirt", "从包到 T 恤"),
    "example_digits": ("Digits in order", "按顺序的数字"),
    "example_photographs": ("Horses, ships, trucks", "马、船、卡车"),
    "example_smileys": ("A page of smileys", "一页笑脸"),
    "example_classroom": ("The classroom GAN", "课堂上的 GAN"),
    "history": ("HISTORY — CLICK TO COME BACK", "历史(点击返回)"),
    # Explore
    "explore": ("Explore", "探索"),
    "explore_lead": (
        "A map of the latent plane. The middle is your image; left and right, up and down follow two directions. Click a "
        "picture to look at it, then keep it or make it the new middle.",
        "潜变量平面的地图。中间是您的图像;左右与上下各沿一个方向。点击图片查看,然后保留它,或以它为新的中心。",
    ),
    "axis_x": ("Left to right", "从左到右"),
    "axis_y": ("Bottom to top", "从下到上"),
    "reach": ("Reach (standard deviations)", "范围(标准差)"),
    "keep": ("Keep for the movie", "保留到影片"),
    "centre": ("Make it the middle", "以它为中心"),
    "open_in_generate": ("Open in Generate", "在“生成”中打开"),
    "movie_heading": ("### Movie between kept images", "### 保留图像之间的影片"),
    "kept": ("KEPT — CLICK TO REMOVE", "已保留(点击移除)"),
    "keep_seeds": ("Add four new seeds", "添加四个新种子"),
    "make_movie": ("Make the movie", "制作影片"),
    "curve": ("Path", "路径"),
    "spherical": ("spherical", "球面"),
    "linear": ("linear", "直线"),
    "frames": ("Frames between two images", "两图之间的帧数"),
    # Mix
    "mix": ("Mix", "混合"),
    "classes_heading": ("### Classes", "### 类别"),
    "no_classes": ("This model has no classes, so there are none to mix.", "此模型没有类别,因此无类别可混合。"),
    "blend_lead": ("Weigh two to four classes against each other.", "给两到四个类别分配权重。"),
    "blended": ("Classes in the blend", "参与混合的类别"),
    "pairs_lead": ("One seed in every pair of classes, half and half.", "同一个种子,每两个类别各占一半。"),
    "styles_heading": ("### Styles", "### 风格"),
    "no_styles": (
        "This model has no styles to mix: its latent goes straight into the image. A model of the architecture `style` has.",
        "此模型没有可混合的风格:潜变量直接生成图像。架构为 `style` 的模型才有。",
    ),
    "styles_lead": (
        "Rows give the coarse layers, columns the layers from the chosen one on.",
        "行决定较粗的层,列决定从所选层开始的层。",
    ),
    # Invert
    "invert": ("Invert", "反演"),
    "invert_lead": (
        "Give a picture, and the search finds the nearest image that this model can draw.",
        "给一张图片,搜索此模型能画出的最接近的图像。",
    ),
    "stay_in_class": ("Class", "类别"),
    "stay_info": ("none: the search chooses", "留空:由搜索决定"),
    "upload": ("Upload", "上传"),
    "draw": ("Draw", "手绘"),
    "search": ("Find the nearest image", "寻找最接近的图像"),
    "nearest": ("NEAREST IMAGE", "最接近的图像"),
    "loss": ("LOSS, STEP BY STEP", "损失(逐步)"),
    "explore_around": ("Explore around it", "在它周围探索"),
    # What is missing
    "no_image_yet": ("Generate an image first; the map is drawn around it.", "请先生成一幅图像;地图围绕它绘制。"),
    "two_directions": ("Choose two different directions for the map.", "请为地图选择两个不同的方向。"),
    "click_first": ("Click on the map first.", "请先点击地图。"),
    "search_first": ("Find the nearest image first.", "请先寻找最接近的图像。"),
    "no_seed": (
        "This image was not made from a seed, so Generate cannot show it; keep it for the movie.",
        "此图像并非由种子生成,“生成”无法显示它;可保留到影片。",
    ),
    "picture_first": ("Upload or draw a picture first.", "请先上传或手绘一张图片。"),
    "one_class": ("Choose at least one class, and give it a weight above 0.", "请至少选择一个类别,并给它大于 0 的权重。"),
    "keep_two": ("Keep at least two images for a movie.", "制作影片至少需保留两幅图像。"),
    # About
    "about": ("About this model", "关于此模型"),
    "copy": ("Copy to my account (private)", "复制到我的账号(私有)"),
    "copy_name": ("Its name on the Hub", "在 Hub 上的名称"),
    "card": ("The whole card", "完整的模型卡"),
    "facts": ("What it is", "它是什么"),
    "architecture": ("Architecture", "架构"),
    "draws": ("Draws", "生成"),
    "pixels": ("pixels", "像素"),
    "grey": ("grey", "灰度"),
    "colour": ("colour", "彩色"),
    "data": ("Trained on", "训练数据"),
    "licence": ("Licence of the data", "数据许可"),
    "unknown": ("not known", "未知"),
    "training": ("Training", "训练"),
    "steps": ("steps", "步"),
    "images_seen": ("images", "幅图像"),
    "minutes": ("minutes", "分钟"),
    "parameters": ("Parameters", "参数量"),
    "how_well": ("How well it does", "表现如何"),
    "not_evaluated": ("It has not been evaluated yet.", "尚未评估。"),
    "interval": ("95 % interval", "95 % 区间"),
    "protocol": (
        "{samples:,} samples against {dataset} ({split}), features of {extractor}, protocol {id}. ↓ lower is better, "
        "↑ higher. Compare only under the same protocol.",
        "{samples:,} 个样本,对照 {dataset}({split}),特征来自 {extractor},协议 {id}。↓ 越低越好,↑ 越高越好。只有协议相同才可比较。",
    ),
    "limits_heading": ("Where it fails", "局限"),
    "shortfall": (
        "{precision} of its samples lie among the real images (precision), and {coverage} of the real images have a sample "
        "near them (coverage): the rest is where it fails. ",
        "{precision} 的样本落在真实图像之中(精确率),{coverage} 的真实图像附近有样本(覆盖率):其余便是它的不足。",
    ),
    "limits": (
        "Images are generated by a machine and show no real object or person; say so where you show them. The model knows "
        "nothing outside its training data and repeats the imbalances in it.",
        "图像由机器生成,不显示任何真实物体或人物;展示时请说明。模型对训练数据之外一无所知,并会重复其中的失衡。",
    ),
}  # fmt: skip

ERRORS = {
    "This model has no classes; leave the label empty.": "此模型没有类别;请将类别留空。",
    "There is no class '{name}'; the classes are {known}.": "没有类别“{name}”;可用的类别有 {known}。",
    "'{weight}' is not a weight; write a mix as 0:0.7+3:0.3.": "“{weight}”不是权重;混合请写成 0:0.7+3:0.3。",
    "The weights of '{entry}' must be positive numbers.": "“{entry}”的权重必须是正数。",
    "There is no latent direction '{name}'; beside coordinates like z0 there are {known}.": (
        "没有潜变量方向“{name}”;除 z0 这样的坐标外,还有 {known}。"
    ),
    "The image has only {width} × {height} pixels; use a larger one.": "图片只有 {width} × {height} 像素;请用更大的。",
    "There is no folder '{name}' here; name a checkpoint's, or owner/name on the Hub.": (
        "此处没有文件夹“{name}”;请填写检查点的文件夹,或 Hub 上的 owner/name。"
    ),
    "There is no folder '{name}' here; near it are {near}.": "此处没有文件夹“{name}”;相近的有 {near}。",
    "'{name}' is not a checkpoint of AIGC Studio: it has no {file}.": "“{name}”不是 AIGC Studio 的检查点:缺少 {file}。",
    "'{name}' is not a name on the Hub; write OWNER/NAME.": "“{name}”不是 Hub 上的名称;请写成 OWNER/NAME。",
    "'{path}' cannot be read as an image ({reason}).": "“{path}”无法作为图像读取({reason})。",
    "'{path}' has more than {limit} million pixels; scale it down.": "“{path}”超过 {limit} 百万像素;请缩小。",
    "'{path}' could not be written: {reason}. What was saved before is unharmed.": (
        "“{path}”无法写入:{reason}。此前保存的内容完好。"
    ),
    "An MP4 needs the program ffmpeg, and imageio-ffmpeg finds none; install it, or make a GIF.": (
        "MP4 需要 ffmpeg 程序,而 imageio-ffmpeg 没有找到;请安装它,或制作 GIF。"
    ),
    "'{name}' cannot be opened here; name a shipped model, or owner/name on the Hub.": (
        "此处不能打开“{name}”;请填写自带的模型,或 Hub 上的 owner/name。"
    ),
    "'{name}' has no revision '{revision}'; it has {known}.": "“{name}”没有版本“{revision}”;有 {known}。",
    "{what}: it is not on the Hub, or is private; check the name, or log in with `hf auth login`.": (
        "{what}:Hub 上没有,或是私有的;请检查名称,或用 `hf auth login` 登录。"
    ),
    "{what}: there is no such revision on the Hub.": "{what}:Hub 上没有此版本。",
    "{what}: the connection to the Hub failed ({kind}); try again to go on.": "{what}:与 Hub 的连接失败({kind});请重试。",
    "{what}: the Hub has a fault of its own (status {status}); try again later.": (
        "{what}:Hub 自身出错(状态 {status});请稍后再试。"
    ),
    "{where}: '{key}' is wrong: {reason}.": "{where}:“{key}”有误:{reason}。",
}
"""The sentences of aigc_core that visitors are most likely to meet; others are shown in English."""

_english, _chinese = ({key: pair[language] for key, pair in WORDS.items()} for language in (0, 1))
text = gr.I18n(en=_english, zh=_chinese, **{"zh-CN": _chinese, "zh-TW": _chinese})
"""Texts of components, which the browser translates."""


def word(key: str) -> str:
    """A text that the server puts into a message or into HTML, in the first language of the visitor's browser."""
    return WORDS[key][_reads_chinese()]


def translated(sentence: str) -> str:
    """A sentence of the library's, in that language."""
    return CHINESE[sentence] if _reads_chinese() else sentence


def told(error: AIGCError) -> str:
    """The sentence of an error, in that language where there is a translation."""
    translation = ERRORS.get(error.sentence) if _reads_chinese() else None
    return translation.format(**error.values) if translation else str(error)


def _reads_chinese() -> bool:
    request = LocalContext.request.get(None)
    return bool(request) and request.headers.get("accept-language", "").startswith("zh")
