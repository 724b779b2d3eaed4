"""Planted wrong answers to the open project's tests of form: what was wrong, the cell as handed in, the points it costs."""

TABLE = """
rng = np.random.default_rng(0)
rows = [(seed, name, "200 updates", 0.1, rng.normal()) for name in ("B = 10", "B = 100") for seed in seeds]
runs = pd.DataFrame(rows, columns=["seed", "setting", "budget", "lr", "value"])
"""

PLAN = """
plan = dict.fromkeys(
    ["question", "prediction", "settings", "budget", "lr_rule", "metric", "change_my_mind"], ""
)
plan |= {name: f"{name}: a sentence of more than eight words, with the number 5 in it" for name in plan}
plan["claim"] = "C24"
"""

WRONG = [
    (
        "a claim that the course has settled",
        {"plan": PLAN + 'plan["claim"] = "C26"', "runs": TABLE, "result": ""},
        {"plan-test": 1},
    ),
    (
        "the plan says in one word what would change one's mind",
        {"plan": PLAN + 'plan["change_my_mind"] = "nothing"', "runs": TABLE, "result": ""},
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
]
