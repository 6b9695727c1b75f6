"""The library's own sentences in Chinese, for both apps; English is the key."""

from __future__ import annotations

CHINESE = {
    # The names of metrics.
    "FID": "FID",
    "FID∞": "FID∞",
    "KID": "KID",
    "IS": "IS",
    "Precision": "精确率",
    "Recall": "召回率",
    "Density": "密度",
    "Coverage": "覆盖率",
    "PPL": "PPL",
    "Label agreement": "类别一致率",
    "Memorisation": "记忆率",
    "Mode coverage": "模式覆盖率",
    "Class imbalance": "类别失衡",
    "Bits per dimension": "每维比特数",
    # What to know of each metric.
    "Biased upwards with few samples: the interval reaches down to what infinitely many would give. Never below 0.": (
        "样本少时偏高：区间向下延伸到样本无限多时的估计值。不小于 0。"
    ),
    "Extrapolated to infinitely many samples; the bias of few real images remains. Never below 0.": (
        "外推到样本无限多；真实图像少造成的偏差仍在。不小于 0。"
    ),
    "Unbiased for any number of samples, and for that it may fall below 0 where the true distance is near 0.": (
        "无论样本多少都无偏；因此真实距离接近 0 时，估计值可能小于 0。"
    ),
    "Biased downwards with few samples: the interval reaches up to what infinitely many would give. From 1 to the "
    "number of classes.": "样本少时偏低：区间向上延伸到样本无限多时的估计值。取值从 1 到类别数。",
    "Unbiased for any number of samples. From 0 to 1.": "无论样本多少都无偏。取值从 0 到 1。",
    "Depends on how many samples there are, so it is measured only with as many as there are real images, or more. "
    "From 0 to 1.": "随样本数变化，因此只在样本不少于真实图像时测量。取值从 0 到 1。",
    "Unbiased for any number of samples. From 0 up; it exceeds 1 where samples crowd into dense parts of the data.": (
        "无论样本多少都无偏。不小于 0；样本挤在数据密集处时大于 1。"
    ),
    "Measured on 1,000 paths, whatever the number of samples.": "在 1,000 条路径上测量，与样本数无关。",
    "1% is chance. Unbiased for any number of samples, of which 2,000 at most are looked at.": (
        "1% 属偶然水平。无论样本多少都无偏，最多检查 2,000 个样本。"
    ),
    "Tells a rare class from a missing one only with ten samples a class or more. From 0 to 1.": (
        "每类至少十个样本才能区分稀少与缺失的类别。取值从 0 到 1。"
    ),
    "Biased upwards with few samples, whose classes chance alone unbalances: the interval reaches down to what "
    "infinitely many may give. From 0 to 1.": (
        "样本少时偏高，因为偶然就会使类别失衡：区间向下延伸到样本无限多时可能的值。取值从 0 到 1。"
    ),
    "Of the real samples, 2,000 at most; of a VAE an upper bound. A model may be good at this and draw poor samples.": (
        "对最多 2,000 个真实样本测量；对 VAE 是上界。该值好的模型，样本仍可能不佳。"
    ),
    "not measured: needs at least {count} samples": "未测量：至少需要 {count} 个样本",
    "With few images intervals are wide, and few real ones bias FID upwards beyond its interval.": (
        "图像少时区间较宽；真实图像少会使 FID 偏高，超出其区间。"
    ),
}
