"""Long names give way in figures; numbers do not."""

import re

import pytest

from spoofscope.figures import fitting, style

LONG = [f"tts_models_multilingual_multi-dataset_xtts_v1.1_{end * 60}" for end in "xy"]


def test_long_names_are_cut_in_the_middle_and_stay_different():
    short = [fitting.shortened(name) for name in LONG]
    assert short[0] == "tts_models_multili…xxxxxxxxxxxxxxxxx"
    assert len(set(short)) == 2
    assert fitting.shortened("short") == "short"
    assert fitting.shortened("a" * 36) == "a" * 36
    assert fitting.shortened("合" * 19) == "合" * 9 + "…" + "合" * 8
    # Where both ends are the same, more is drawn until they differ.
    inner = [f"{'a' * 40}{middle}{'b' * 40}" for middle in "xy"]
    assert len(set(fitting._distinct(inner))) == 2


NUMBERS = ("EER 33.9 % [23.2, 46.0]", "(12345 + 123456)", "n = 7, p < 0.001", "−1.5×10⁻³, 16k")


def digits(text: str) -> str:
    return re.sub(r"[^\d⁰¹²³⁴-⁹]", "", text)


@pytest.mark.parametrize("name", ["x" * 90, "a name with blanks " * 5, "合" * 40])
@pytest.mark.parametrize("numbers", NUMBERS)
def test_names_are_shortened_and_numbers_are_not(numbers, name):
    for text in (f"{name}: {numbers}", f"{name}\n{numbers}", f"{numbers} of {name}"):
        for limit in (8, 14, 36, 60):
            short = fitting._shortened_names(text, limit)
            assert digits(short) == digits(text)
            assert "…" in short
            assert max(map(fitting.width_of, short.split("\n"))) <= max(limit, 50)


def test_titles_of_panels_keep_their_numbers_and_lie_in_the_figure():
    """Not only the widest gives way: also the line of numbers below the name of a neighbour."""
    figures, panels = style.panel_pages(8, 4, 1.45)
    for i, axes in enumerate(panels):
        name = "a_detector_with_a_very_long_name_of_wavlm" if i in (3, 4, 5) else "system"
        axes.set_title(f"{name}\nEER 33.9 % [23.2, 46.{i}]", fontsize=8)
    numbers = [digits(axes.get_title()) for axes in panels]
    figures[0].suptitle(f"of {'a very long name, ' * 12} 17 clips")
    fitting.fit_names(figures[0], style.TALLEST)
    style.settle(figures[0])
    assert [digits(axes.get_title()) for axes in panels] == numbers
    assert "17 clips" in figures[0].get_suptitle()
    assert panels[0].get_title().startswith("system\n")
    boxes = [title.get_window_extent() for title in fitting._titles(figures[0])]
    assert len(boxes) == 9
    for i, box in enumerate(boxes):
        assert 0 <= box.x0 < box.x1 <= figures[0].bbox.x1
        assert not any(box.overlaps(other) for other in boxes[:i])
    style.plt.close(figures[0])


@pytest.mark.slow
def test_names_beside_axes_leave_them_room():
    """Also where a layout presses axes together only when it is made again, or gives up."""
    figure = style.new_figure(style.PAGE, 4)
    for half in figure.subfigures(1, 2):
        axes = half.add_subplot()
        axes.set_yticks([0, 1], [f"{end}_of_a_very_long_name_of_an_attack" for end in "xy"])
        axes.set_title(f"of {'a_very_long_name_' * 4}, eval: attack", loc="left")
        axes.set_xlabel("EER (%), 95 % interval\nand what a line of words adds")
    fitting.fit_names(figure, style.TALLEST)
    style.settle(figure)
    for half in figure.subfigs:
        (axes,) = half.axes
        assert axes.get_window_extent().width / figure.dpi >= fitting._LEAST_WIDTH
        title = axes._left_title.get_window_extent()
        assert half.bbox.x0 <= title.x0 < title.x1 <= half.bbox.x1 + 1
        assert axes.get_title(loc="left").count("…") == 1
    style.plt.close(figure)


def test_titles_of_numbers_alone_are_broken_not_cut():
    figure = style.new_figure(style.COLUMN, 2)
    axes = figure.subplots(1, 2)
    for panel in axes:
        panel.set_title("12.34 [10.00, 14.00], 56.78 [50.00, 60.00]", fontsize=8)
    fitting.fit_names(figure, style.TALLEST)
    assert [panel.get_title() for panel in axes] == [
        "12.34 [10.00, 14.00],\n56.78 [50.00, 60.00]"
    ] * 2
    style.plt.close(figure)


@pytest.mark.slow
def test_labels_of_axes_and_titles_of_bars_stay_apart_on_the_page():
    """A label beside a low panel; and a bar, which is narrower than the layout says."""
    name = "a_very_long_name_of_a_corpus_of_recordings"
    figure = style.new_figure(style.PAGE, 2.6)
    panels = figure.subplots(2, 2)
    for axes in panels.flat:
        image = axes.pcolormesh([[0.0, 1.0]])
        axes.set_title(f"{name}, score −3.41", loc="left")
        axes.set_ylabel(f"{name}, eval\nEER (%)")
    for line in panels:
        figure.colorbar(image, ax=line, aspect=12, pad=0.01).ax.set_title("±0.07", fontsize=7)
    fitting.fit_names(figure, style.TALLEST)
    style.settle(figure)
    figure.draw_without_rendering()
    titles = fitting._titles(figure)
    boxes = [title.get_window_extent() for title in titles]
    assert len(boxes) == 10
    for i, (title, box) in enumerate(zip(titles, boxes, strict=True)):
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, title
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, title
        assert not any(box.overlaps(other) for other in boxes[:i]), title
        assert title.get_text().endswith(("3.41", "eval\nEER (%)", "0.07"))
    style.plt.close(figure)


def test_two_names_of_a_list_stay_two():
    names = ["fbank_cnn_with_a_very_long_name", "hubert_linear_with_a_very_long_name"]
    text = f"Explanations of {' and '.join(names)} fail their controls"
    for limit in (80, 72):
        short = fitting._shortened_names(text, limit)
        assert fitting.width_of(short) <= limit
        assert re.fullmatch(r"Explanations of fbank\S+ and hubert\S+ fail their controls", short)
