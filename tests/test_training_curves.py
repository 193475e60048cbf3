"""The figure of trainings: what is drawn of histories, and what has none."""

import polars as pl
import pytest

from spoofscope.figures import style
from spoofscope.figures.training_curves import draw
from spoofscope.tables import write_table
from spoofscope.training.loop import HISTORY_COLUMNS

EPOCHS = [
    (1, 1, 10, 0.7, 0.6, 0.4, 0.8, 1e-3),
    (1, 2, 20, 0.5, 0.4, 0.25, 0.5, 1e-3),
    (2, 3, 30, -0.1, 0.3, 0.125, 0.3, 1e-4),
]
FITTED_ONCE = [(1, 1, 1, None, 0.2, 0.1, 0.2, 0.0)]


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """What is drawn of trainings of these rows: the figure and its numbers."""

    def draw_all(*histories):
        trained = []
        for i, rows in enumerate(histories):
            path = tmp_path / f"{i}.tsv"
            write_table(path, pl.DataFrame(rows, schema=HISTORY_COLUMNS, orient="row"))
            entry = {"id": f"d{i}-0", "seed": 1, "name": f"d{i}", "kind": "detector"}
            trained.append({**entry, "history": str(path)})
        figures = []
        monkeypatch.setattr(style.plt, "close", figures.append)
        outputs = {suffix: str(tmp_path / f"f.{suffix}") for suffix in ("pdf", "png", "tsv")}
        draw(trained, outputs)
        return figures[0], pl.read_csv(outputs["tsv"], separator="\t")

    return draw_all


def test_losses_and_error_rates_of_every_epoch(drawn):
    figure, numbers = drawn(EPOCHS, FITTED_ONCE)
    upper, lower = figure.axes
    assert upper.get_title() == "d0"
    train, dev = (line.get_ydata().tolist() for line in upper.lines[:2])
    assert (train, dev) == ([0.7, 0.5, -0.1], [0.6, 0.4, 0.3])
    assert lower.lines[0].get_ydata().tolist() == [40.0, 25.0, 12.5]
    # The border between the stages, and a loss below zero is seen.
    assert upper.lines[2].get_xdata()[0] == 2.5
    assert upper.get_ylim()[0] < -0.1
    assert numbers["system"].to_list() == ["d0-0"] * 3
    assert numbers["dev_eer"].to_list() == [0.4, 0.25, 0.125]


def test_the_highest_of_flat_losses_is_not_cut(drawn):
    figure, _ = drawn([(1, i, i, loss, loss, 0.4, 0.8, 1e-3) for i, loss in ((1, 0.7), (2, 0.69))])
    low, high = figure.axes[0].get_ylim()
    assert low == 0.0
    assert high > 0.7 + 0.04 * (high - low)


def test_what_is_fitted_in_one_go_has_no_curve(drawn):
    figure, numbers = drawn(FITTED_ONCE)
    assert figure.get_suptitle() == "no detector is trained in epochs"
    assert numbers.height == 0


@pytest.mark.slow
def test_many_trainings_go_on_on_further_pages(drawn):
    figure, numbers = drawn(*[EPOCHS] * 17)
    assert figure.get_figheight() <= style.TALLEST
    assert numbers["system"].n_unique() == 17


@pytest.mark.slow
@pytest.mark.parametrize(("trainings", "width"), [(2, style.COLUMN), (3, style.PAGE)])
def test_few_trainings_do_not_leave_a_page_empty(drawn, trainings, width):
    figure, _ = drawn(*[EPOCHS] * trainings)
    assert figure.get_figwidth() == width
    # The last pair of panels ends in the right half.
    assert figure.axes[-1].get_position().x1 > 0.7
