"""Planted answers to the paper `open_project`: wrong ones with the points they lose, right ones unlike the model."""

TABLE = """
rng = np.random.default_rng(0)
rows = [(seed, name, "200 updates", 0.1, rng.normal()) for name in ("B = 10", "B = 100") for seed in seeds]
runs = pd.DataFrame(rows, columns=["seed", "setting", "budget", "lr", "value"])
"""

PLAN = """
plan = {
    "claim": "C24",
    "question": "Do small batches need fewer updates when the images are blurred?",
    "prediction": "I expect B = 10 to reach a loss at least 5 % higher than B = 100.",
    "settings": "Batch sizes of ten and one hundred, with everything else held the same.",
    "budget": "Each run gets 200 updates, which helps whoever sees more digits per update.",
    "lr_rule": "One rate for both settings, chosen on validation data beforehand.",
    "metric": "Training loss after the last update; diverged runs count as blind guesses.",
    "change_my_mind": "If the interval of paired differences lies wholly below zero, I was wrong.",
}
"""
CHINESE = """
plan = {
    "claim": "C24",
    "question": "一成标签错误时,小批量的噪声是否有助于训练?",
    "prediction": "不会:批量10的训练损失至少是批量100的1.05倍。",
    "settings": "比较批量大小10与100,其余条件全部相同。",
    "budget": "每次训练更新200次,这对大批量更有利。",
    "lr_rule": "两者使用同一个固定学习率,不作任何调整。",
    "metric": "最后一次更新后的训练损失的对数,发散者按随机猜测计。",
    "change_my_mind": "若配对差异的置信区间低于零,我就放弃这个预测。",
}
"""
JAPANESE = """
plan = {
    "claim": "C24",
    "question": "ラベルが間違っているとき、小さいバッチの雑音は役に立つか。",
    "prediction": "役に立たない。損失は少なくとも5%高くなると思う。",
    "settings": "バッチサイズを十と百で比べ、ほかは全部同じにする。",
    "budget": "どの実行も更新は200回、大きいバッチに有利である。",
    "lr_rule": "学習率は両方とも一定で、調整しない。",
    "metric": "最後の訓練損失。発散したら当て推量の値とする。",
    "change_my_mind": "対応のある差の区間がゼロより下なら考えを改める。",
}
"""
INTERVAL = "def paired_interval(runs, first, second):\n    from scipy.stats import t\n"
PIVOT = "    by_seed = runs.pivot(index='seed', columns='setting', values='value')\n"
PAIRS = PIVOT + "    d = (by_seed[first] - by_seed[second]).dropna()\n"
ENDS = "    return d.mean(), d.mean() - half, d.mean() + half\n"

WRONG = [
    (
        "a claim that the course has settled",
        {"plan": PLAN + 'plan["claim"] = "C26"', "runs": TABLE},
        {"plan-test": 1},
    ),
    (
        "the plan says in one word what would change one's mind",
        {"plan": PLAN + 'plan["change_my_mind"] = "nothing"', "runs": TABLE},
        {"plan-test": 1},
    ),
    (
        "a prediction without a number",
        {
            "plan": PLAN
            + 'plan["prediction"] = "the small batch will do better, because noise helps it somehow"',
            "runs": TABLE,
            "result": "",
        },
        {"plan-test": 1},
    ),
    (
        "three seeds",
        {"runs": TABLE + 'runs = runs[runs["seed"].isin(seeds[:3])]', "result": ""},
        {"runs-test": 2},
    ),
    (
        "seeds that are not those of the paper",
        {"runs": TABLE + 'runs["seed"] = runs["seed"] + 5000', "result": ""},
        {"runs-test": 2},
    ),
    (
        "a run that diverged is left empty",
        {"runs": TABLE + 'runs.loc[3, "value"] = np.nan', "result": ""},
        {"runs-test": 2},
    ),
    (
        "a run that diverged stands there as infinite",
        {"runs": TABLE + 'runs.loc[3, "value"] = np.inf', "result": ""},
        {"runs-test": 2},
    ),
    (
        "one run copied five times, as if it had been five seeds",
        {"runs": TABLE + 'runs["value"] = runs.groupby("setting")["value"].transform("first")', "result": ""},
        {"runs-test": 2},
    ),
    (
        "every setting has a budget of its own",
        {
            "runs": TABLE
            + 'runs["budget"] = runs["setting"].map({"B = 10": "1 epoch", "B = 100": "9 epochs"})',
            "result": "",
        },
        {"runs-test": 2},
    ),
    (
        "two independent samples: what the seeds share is not taken out",
        {
            "runs": TABLE,
            "result": "",
            "interval": """
from scipy.stats import ttest_ind

def paired_interval(runs, first, second):
    ours, theirs = (runs.loc[runs["setting"] == name, "value"] for name in (first, second))
    low, high = ttest_ind(ours, theirs).confidence_interval(0.95)
    return ours.mean() - theirs.mean(), low, high
""",
        },
        {"interval-test": 2},
    ),
    (
        "1.96 standard errors for a handful of seeds",
        {
            "runs": TABLE,
            "result": "",
            "interval": """
def paired_interval(runs, first, second):
    by_seed = runs.pivot(index="seed", columns="setting", values="value")
    d = (by_seed[first] - by_seed[second]).dropna()
    half = 1.96 * d.std() / np.sqrt(len(d))
    return d.mean(), d.mean() - half, d.mean() + half
""",
        },
        {"interval-test": 2},
    ),
    (
        "values are paired by the order of the lines, not by seed",
        {
            "runs": TABLE,
            "result": "",
            "interval": """
from scipy.stats import t

def paired_interval(runs, first, second):
    ours, theirs = (runs.loc[runs["setting"] == name, "value"].to_numpy() for name in (first, second))
    d = ours[: len(theirs)] - theirs[: len(ours)]
    half = t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d))
    return d.mean(), d.mean() - half, d.mean() + half
""",
        },
        {"interval-test": 2},
    ),
    (
        "the runs that tuned the rate stand in the table",
        {
            "runs": TABLE + "runs = pd.concat([runs.assign(lr=rate) for rate in (0.05, 0.1, 0.2)])",
            "result": "",
        },
        {"runs-test": 2},
    ),
    (
        "seven times the same sentence, but for a word",
        {
            "plan": """
names = ["question", "prediction", "settings", "budget", "lr_rule", "metric", "change_my_mind"]
plan = {name: f"{name}: a sentence of more than eight words, with the number 5 in it" for name in names}
plan["claim"] = "C24"
""",
        },
        {"plan-test": 1},
    ),
    ("one word, eight times", {"plan": PLAN + 'plan["settings"] = "same " * 8'}, {"plan-test": 1}),
    ("a Chinese plan of one word", {"plan": CHINESE + 'plan["change_my_mind"] = "没有"'}, {"plan-test": 1}),
    (
        "a budget without a number",
        {"plan": PLAN + 'plan["budget"] = "The same number of updates for all, which favours nobody."'},
        {"plan-test": 1},
    ),
    (
        "an entry that is no text",
        {"plan": PLAN + 'plan["settings"] = ["B = 10", "B = 100"]'},
        {"plan-test": 1},
    ),
    ("an entry is missing", {"plan": PLAN + 'del plan["metric"]'}, {"plan-test": 1}),
    ("a single setting", {"runs": TABLE + 'runs = runs[runs["setting"] == "B = 10"]'}, {"runs-test": 2}),
    (
        "a column by another name",
        {"runs": TABLE + 'runs = runs.rename(columns={"value": "loss"})'},
        {"runs-test": 2},
    ),
    ("a rate of zero", {"runs": TABLE + 'runs["lr"] = 0.0'}, {"runs-test": 2}),
    (
        "the seeds of one setting only are those of the paper",
        {"runs": TABLE + 'runs.loc[5:, "seed"] += 1'},
        {"runs-test": 2},
    ),
    *[
        (what, {"interval": INTERVAL + PAIRS + f"    half = {half}\n" + ends}, {"interval-test": 2})
        for what, half, ends in (
            ("NumPy's spread, divided by n", "t.ppf(0.975, len(d) - 1) * np.std(d) / len(d) ** 0.5", ENDS),
            ("n degrees of freedom for n seeds", "t.ppf(0.975, len(d)) * d.std() / len(d) ** 0.5", ENDS),
            ("an interval of 90 %", "t.ppf(0.95, len(d) - 1) * d.std() / len(d) ** 0.5", ENDS),
            ("the spread of a run, not of the mean", "t.ppf(0.975, len(d) - 1) * d.std()", ENDS),
            (
                "second minus first",
                "t.ppf(0.975, len(d) - 1) * d.std() / len(d) ** 0.5",
                "    return -d.mean(), -d.mean() - half, -d.mean() + half\n",
            ),
        )
    ],
]

RIGHT = [
    ("a plan in Chinese", {"plan": CHINESE}),
    ("a plan in Japanese", {"plan": JAPANESE}),
    (
        "a plan in German, with long words",
        {
            "plan": PLAN
            + 'plan["metric"] = "Der Trainingsverlust nach der letzten Aktualisierung; Ausreißer zählen wie Raten."'
        },
    ),
    (
        "a plan in few lines, of eight words each",
        {"plan": PLAN + 'plan["question"] = "Does noise help once the labels are wrong?"'},
    ),
    (
        "numbers in other digits",
        {
            "plan": PLAN
            + 'plan["prediction"] = "I expect a loss that is ５ per cent higher for small batches."'
        },
    ),
    (
        "lines in another order, more columns",
        {"runs": TABLE + 'runs = runs.assign(note="").sample(frac=1, random_state=0)'},
    ),
    ("more seeds than asked for", {"runs": TABLE.replace("in seeds]", "in [*seeds, 5000, 5001]]")}),
    ("three settings", {"runs": TABLE.replace('("B = 10", "B = 100")', '("B = 10", "B = 100", "B = 1000")')}),
    (
        "NumPy numbers, and a budget that is one",
        {
            "runs": TABLE
            + 'runs = runs.assign(budget=200, seed=runs["seed"].astype("int32"), value=runs["value"].astype("float32"))'
        },
    ),
    (
        "a rate for each setting, a seed as index as well",
        {"runs": TABLE + 'runs.loc[5:, "lr"] = 0.2\nruns.index = runs["seed"].to_numpy()'},
    ),
    (
        "a table of dictionaries",
        {
            "runs": "runs = pd.DataFrame([{'seed': s, 'setting': f'momentum {b}', 'budget': '2 epochs', 'lr': 1 / 8, 'value': (s % 7) * b + 1} for b in (0.0, 0.9) for s in seeds])"
        },
    ),
    (
        "SciPy's own interval",
        {
            "interval": """
def paired_interval(runs, first, second):
    from scipy.stats import t

    by_seed = runs.pivot(index="seed", columns="setting", values="value")
    from scipy.stats import ttest_1samp

    d = (by_seed[first] - by_seed[second]).dropna()
    if d.std() < 1e-12:
        return (d.mean(),) * 3
    i = ttest_1samp(d, 0).confidence_interval()
    return d.mean(), i.low, i.high
"""
        },
    ),
    (
        "dictionaries of seeds",
        {
            "interval": """
def paired_interval(runs, first, second):
    from scipy.stats import t

    a, b = ({r.seed: r.value for r in runs.itertuples() if r.setting == s} for s in (first, second))
    d = np.array([a[s] - b[s] for s in a if s in b])
    h = t.isf(0.025, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d))
    return np.array([d.mean(), d.mean() - h, d.mean() + h])
"""
        },
    ),
    (
        "merged, with the standard error of SciPy",
        {
            "interval": """
def paired_interval(runs, first, second):
    from scipy.stats import t
    from scipy.stats import sem

    both = runs[runs.setting == first].merge(runs[runs.setting == second], on="seed")
    d = both.value_x - both.value_y
    return d.mean(), *(d.mean() + sem(d) * t.ppf([0.025, 0.975], len(d) - 1))
"""
        },
    ),
    (
        "the interval of the t-distribution itself",
        {
            "interval": """
def paired_interval(runs, first, second):
    from scipy.stats import t

    by_seed = runs.pivot(index="seed", columns="setting", values="value")
    d = (by_seed[first] - by_seed[second]).dropna()
    low, high = t.interval(0.95, len(d) - 1, loc=d.mean(), scale=max(d.sem(), 1e-15))
    return d.mean(), low, high
"""
        },
    ),
]
