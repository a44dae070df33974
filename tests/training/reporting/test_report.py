import base64
import html.parser
import io
import json
import re

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

from rnnjax.errors import UserError
from rnnjax.training import Measures, Section, write_report
from rnnjax.training.reporting import report as module
from rnnjax.training.reporting.metrics_log import MetricsLog
from rnnjax.training.reporting.report import draw_curves, write_results
from rnnjax.visuals.page import render_page

ROWS = [{"split": "train", "step": n, "loss": 3 - n / 50, "grad_norm": 1.0} for n in range(1, 60)]
ROWS += [{"split": "valid", "step": n, "loss": 3.1 - n / 50} for n in (20, 40)]


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.attributes = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.words.append(data)


def pixels(png):
    return matplotlib.image.imread(io.BytesIO(png), format="png")


def has_colour(png, colour):
    return (np.abs(pixels(png)[..., :3] - np.array(colour) / 255).max(-1) < 0.02).any()


def test_samples_over_time_are_listed_the_first_and_the_last_among_them(tmp_path):
    assert "Samples during training" not in report(tmp_path).read_text()
    rows = [{"split": "sample", "step": n, "text": f"<s{n}>\n", "time": 0.0} for n in range(1, 31)]
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    page = write_report(tmp_path, title="t", config={}, results={}).read_text()
    shown = [int(n) for n in re.findall(r"&lt;s(\d+)&gt;", page)]
    assert shown == sorted(shown)
    assert len(shown) == 8
    assert shown[0] < 4
    assert shown[-1] == 30
    assert re.findall(r'<td class="number">(\d+)</td><td class="text">&lt;s', page) == [
        str(n) for n in shown
    ]


def test_curves_show_what_there_is():
    blue, orange = (0x2B, 0x6C, 0xB0), (0xDD, 0x6B, 0x20)
    both, train_only, none = (
        draw_curves(ROWS, Measures("char")),
        draw_curves(ROWS[:59]),
        draw_curves([]),
    )
    assert has_colour(both, blue)
    assert has_colour(both, orange)
    assert has_colour(train_only, blue)
    assert not has_colour(train_only, orange)
    assert not has_colour(none, blue)


def test_a_single_row_of_training_is_a_point():
    assert has_colour(draw_curves(ROWS[:1]), (0x2B, 0x6C, 0xB0))


def panels(monkeypatch, *args):
    """For each panel its label and title, and the numbers of its first two lines."""
    figures = []

    class Kept(Figure):
        def __init__(self, **options):
            super().__init__(**options)
            figures.append(self)

    monkeypatch.setattr(module, "new_figure", lambda *size: Kept(figsize=size))
    draw_curves(*args)
    return [
        (
            axes.get_ylabel(),
            axes.get_title(),
            [(*line.get_xdata(), *line.get_ydata()) for line in list(axes.lines)[:2]],
        )
        for axes in figures[0].axes
    ]


def test_the_metric_that_decides_has_a_curve_of_its_own(monkeypatch):
    train = [
        {"split": "train", "step": n, "loss": n + 0.5, "nats": n + 0.25, "grad_norm": 7.0 + n}
        for n in (1, 2)
    ]
    valid = [
        {"split": "valid", "step": n, "loss": 6.0 - n, "bleu4": bleu}
        for n, bleu in ((1, 0.1), (2, 0.3), (3, 0.2))
    ]
    (_, loss_title, losses), (label, title, bleus), (_, _, norms) = panels(
        monkeypatch, train + valid, Measures(metric="bleu4", scale="%")
    )
    assert losses == [(1, 2, 1.25, 2.25), (1, 2, 3, 5.0, 4.0, 3.0)]
    assert (label, title) == ("bleu4 (%)", "best validation bleu4 0.3000 at step 2")
    assert bleus[0] == (1, 2, 3, 0.1, 0.3, 0.2)
    assert loss_title == "lowest validation loss 3.0000 at step 3"
    assert norms == [(1, 2, 8.0, 9.0)]


def test_a_loss_that_is_no_likelihood_is_not_in_nats(monkeypatch):
    rows = [{"split": "train", "step": n, "loss": 0.5, "units_per_second": 9.0} for n in (1, 2)]
    labels = [label for label, _, _ in panels(monkeypatch, rows, Measures(speed_unit="forecast"))]
    assert labels == ["loss", "forecast/s"]


def report(folder, **fields):
    with MetricsLog(folder, 0) as log:
        for row in ROWS:
            log.write(row["split"], {k: v for k, v in row.items() if k != "split"})
    given = {"title": "t", "config": {"a": 1}, "results": {"loss": 1.23456789}}
    return write_report(folder, **given | fields)


def test_report_stands_alone(tmp_path):
    path = report(tmp_path, sections=[Section("Samples", text="to be")], measures=Measures("char"))
    text = path.read_text()
    page = Page(text)
    pictures = [v for k, v in page.attributes if k == "src"]
    assert len(pictures) == 1
    kind, data = pictures[0].split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data) == (tmp_path / "curves.png").read_bytes()
    assert not re.search(r"https?://|<script|<link|@import|url\(", text)
    assert {"Samples", "to be", "1.2346", "Config", "Command", "Environment"} <= set(page.words)
    assert any("pytest" in word for word in page.words)


def test_everything_from_outside_is_escaped(tmp_path):
    evil = "<script>&\"'</script>"
    path = report(
        tmp_path,
        title=evil,
        config={evil: evil},
        results={evil: evil},
        sections=[Section(evil, text=evil, png=draw_curves([]))],
    )
    page = Page(path.read_text())
    assert "script" not in page.tags
    assert page.words.count(evil) == 8
    assert ("alt", evil) in page.attributes


def test_unwritable_folder_is_one_message(tmp_path):
    with pytest.raises(UserError, match="Cannot write"):
        write_report(tmp_path / "absent", title="t", config={}, results={})


def test_report_tells_the_speed_and_the_wait_for_data(tmp_path):
    assert "Time and speed" not in report(tmp_path).read_text()
    (tmp_path / "with").mkdir()
    with MetricsLog(tmp_path / "with", 0) as log:
        for step, speed, wait in ((1, 9.0, 0.5), (2, 2.0, 0.02), (3, 3.0, 0.08)):
            row = {"step": step, "loss": 1.0, "steps_per_second": speed, "data_wait": wait}
            log.write("train", row | {"units_per_second": 1000 * speed})
    measures = Measures("text", "token")
    page = write_report(
        tmp_path / "with", title="t", config={}, results={}, measures=measures
    ).read_text()
    assert "<td>tokens a second (median)</td><td>3,000</td>" in page
    assert "<td>updates a second (median)</td><td>3</td>" in page
    assert "20.0% of the time" in page
    assert "<td>0:00:01 h</td>" in page  # 1 / 9 + 1 / 2 + 1 / 3


def test_pages_of_a_folder_link_to_each_other(tmp_path):
    report(tmp_path)
    assert links_of(tmp_path / "report.html") == []
    page = render_page("Inside", "", {}, [Section("a", text="b")])
    said = write_results(tmp_path, {"numbers.json": "[1]", "inspect.html": page})
    assert said == str(tmp_path / "inspect.html")
    foreign = "<nav>mine</nav>"
    (tmp_path / "notes.html").write_text(foreign)
    report(tmp_path)  # writes its page anew
    for name in ("report.html", "inspect.html"):
        assert links_of(tmp_path / name) == ["inspect.html", "notes.html", "report.html"]
    assert (tmp_path / "notes.html").read_text() == foreign


def links_of(path):
    return [value for name, value in Page(path.read_text()).attributes if name == "href"]


def test_results_that_cannot_be_written_are_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    assert write_results(tmp_path / "file" / "in", {"a.html": "b"}).startswith("Cannot write")
