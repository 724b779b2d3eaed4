"""A film shows what the explorer shows, and keeps of its settings what there is room for."""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from authoring.films import BYTES, LEVELS, films, first_frame, named, shoot, thinned
from course_utils.explore import Control, make_explorer


def two_panels():
    fig, (left, right) = plt.subplots(1, 2, figsize=(4, 2))
    for ax in (left, right):
        ax.set_xlim(0, 1)
    dots = [ax.plot([0.5], [0.5], "o", animated=True)[0] for ax in (left, right)]

    def update(x: float, side: str) -> str:
        dots[side == "right"].set_xdata([x])
        dots[side == "left"].set_xdata([0.5])
        return f"Dot of the {side} at {x:g}."

    controls = {
        "x": Control("place", [0.1, 0.5, 0.9], 0.5),
        "side": Control("side", ["left", "right"], "left"),
    }
    return fig, update, controls


def opened(webp):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(webp))).convert("RGBA")).astype(int)


def test_each_frame_laid_over_the_still_is_the_picture_that_the_notebook_shows():
    film, box = shoot(*two_panels()), make_explorer(*two_panels())
    x, side = box.children[0].children
    for frame, (x.index, side.index) in enumerate(np.ndindex(3, 2)):
        picture = box.children[1]
        wanted = opened(picture.value.partition("base64,")[2].partition('"')[0])[..., :3]
        shown = opened(film["still"])[..., :3]
        for left, number in zip(film["cuts"], film["frames"][frame], strict=True):
            if number >= 0:
                (x0, y0), strip = film["places"][number], opened(film["pictures"][number])
                there = shown[y0 : y0 + strip.shape[0], left + x0 : left + x0 + strip.shape[1]]
                there[strip[..., 3] > 0] = strip[strip[..., 3] > 0][:, :3]
        assert film["alts"][frame] == picture.alt
        assert abs(shown - wanted).max() <= 255 / (LEVELS - 1) / 2 + 1


def test_the_first_frame_is_what_is_seen_where_the_controls_start():
    fig, update, controls = two_panels()
    film, box = shoot(fig, update, controls), make_explorer(*two_panels())
    wanted = opened(box.children[1].value.partition("base64,")[2].partition('"')[0])
    shown = np.asarray(Image.open(io.BytesIO(first_frame(film))))
    assert abs(shown - wanted[..., :3]).max() <= 255 / (LEVELS - 1) / 2 + 1


def test_what_a_deck_shows_is_drawn_in_the_size_of_a_slide():
    film = shoot(*two_panels(), on_slide=True)
    assert film["size"] == [1160, 430] and len(film["cuts"]) == 2
    assert [film.on_slide for film in films(["05", "5c"])] == [True, False]


def test_a_panel_that_stays_the_same_is_stored_once():
    film = shoot(*two_panels())
    assert len(film["frames"]) == 6 and len(film["pictures"]) == 3  # three places, alike in both panels


def test_thinned_settings_keep_their_ends_and_what_they_must_and_fit_into_a_film():
    values = {"lr": list(range(80)), "beta": list(range(100)), "rule": ["fixed", "tuned"]}
    must = {"lr": [61, 62], "beta": [7, 90], "rule": ["fixed"]}
    kept = thinned(values, must, [(20_000.0, {"lr", "beta"}), (5_000.0, {"rule"})])
    assert all(
        set(must[name]) < set(choices) and sorted(choices) == choices for name, choices in kept.items()
    )
    assert (kept["lr"][0], kept["lr"][-1], kept["beta"][0], kept["beta"][-1]) == (0, 79, 0, 99)
    assert kept["rule"] == ["fixed", "tuned"] and len(kept["lr"]) == pytest.approx(
        2 * len(kept["beta"]), abs=1
    )
    assert 0.8 * BYTES < 20_000 * len(kept["lr"]) * len(kept["beta"]) + 10_000 <= BYTES


def test_a_tight_film_still_has_every_value_that_the_text_beside_it_names():
    betas = [i / 100 for i in range(100)]
    must = named(
        betas, "momentum β", "β = 0 explodes, and so does β = 0.9; η = 0.5, λβ = 0.3 and β = 7 do not."
    )
    assert must == [0, 0.9]
    kept = thinned({"beta": betas, "start": betas}, {"beta": [0.7, *must], "start": [0]}, [], most=1)
    assert kept == {"beta": [0, 0.7, 0.9, 0.99], "start": [0, 0.5, 0.99]}


def test_a_film_is_out_of_date_once_its_page_or_the_text_beside_it_changes():
    film, *_ = films(["05"])
    assert film.key == film._replace(code=film.code).key
    assert film.key != film._replace(code=(*film.code[:-1], "other")).key
    assert film.key != film._replace(text="other").key
