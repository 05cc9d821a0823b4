"""The page as people have it: in Chromium, before a server with a real model."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pytest
from playwright.sync_api import Page, expect
from sklearn.linear_model import LogisticRegression

from tabular.contract.endpoint import Endpoint
from tabular.serving.app import create_app
from tabular.serving.loading import load_predictor
from tabular.serving.page import Card, card_of

from .conftest import CITIES, HOSTILE, MANIFEST, Watched, listening, serving

# The ratio of WCAG 2.1 AA, for every element that holds text of its own.
CONTRAST = """() => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const ground = (at) => {
    for (; at; at = at.parentElement) {
      const found = parts(getComputedStyle(at).backgroundColor);
      if (found[3] !== 0) return found;
    }
  };
  const poor = [];
  for (const at of document.querySelectorAll("body *")) {
    const text = [...at.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || at.value;
    if (!text || !at.checkVisibility() || at.matches("option, .unseen, [type=radio]")) continue;
    const both = [light(parts(getComputedStyle(at).color)), light(ground(at))];
    const ratio = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    if (ratio < 4.5) poor.push(`${at.outerHTML.slice(0, 80)}: ${ratio.toFixed(2)}`);
  }
  return poor;
}"""
TOO_WIDE = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


def predict(page: Page) -> str:
    """Press the button, wait for the answer, and return the body that was sent."""
    with page.expect_response("**/invocations") as answered:
        page.get_by_role("button", name="Predict").click()
    expect(page.locator("#result .status")).to_be_visible()
    return answered.value.request.post_data or ""


def ask(address: str, body: str) -> tuple[int, str]:
    """Ask the server as the page does, without it."""
    headers = {"Content-Type": "text/csv", "Accept": "application/json"}
    request = urllib.request.Request(f"{address}invocations", body.encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def score_of(address: str, body: str) -> float:
    return float(json.loads(ask(address, body)[1])["predictions"][0]["score"])


def curl(page: Page) -> str:
    # It is written before the next frame is painted.
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    return page.locator("#curl").inner_text()


def test_page_tells_what_the_model_is(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    expect(page).to_have_title(MANIFEST.training_job)
    about = page.get_by_label("About the model")
    for text in ("XGBoost", "binary:logistic", "xgboost 3.2.0", "38"):
        expect(about.get_by_text(text, exact=False).first).to_be_visible()
    expect(page.get_by_text("the probability of class 1")).to_be_visible()
    row = page.locator("#metrics tr", has_text="logloss")
    assert row.locator("td").all_inner_texts() == ["0.18724", "0.24131"]
    assert page.locator("#fields label > input").count() == 3
    assert page.get_by_label("city").locator("option").all_text_contents() == ["missing", *CITIES]


def test_row_is_answered_with_the_score_of_the_model(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    page.get_by_label("tenure_months").fill(" 0.5 ")
    page.get_by_label("city").select_option("New York")
    assert predict(page) == '0.5,,,"New York"'
    shown = float(page.locator(".score").inner_text())
    assert shown == pytest.approx(score_of(address, '0.5,,,"New York"'), rel=1e-7)
    assert re.fullmatch(r"200 OK in [\d.]+ ms", page.locator("#result .status").inner_text())


def test_categories_change_the_score(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    scores = set()
    for city in (CITIES[0], CITIES[-1]):
        page.get_by_label("city").select_option(city)
        predict(page)
        scores.add(page.locator(".score").inner_text())
    assert len(scores) == 2


def test_several_rows_are_a_table(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    page.get_by_text("CSV rows").click()
    page.get_by_label("Rows, one on each line").fill("1,2,3,Köln\n,,,\n-1,2,3,New York\n")
    assert predict(page) == "1,2,3,Köln\n,,,\n-1,2,3,New York"
    rows = page.locator("#result tbody tr")
    assert rows.locator("th").all_inner_texts() == ["1", "2", "3"]
    assert float(rows.locator("td").nth(1).inner_text()) == pytest.approx(score_of(address, ",,,"))


def test_first_cell_of_tab_separated_rows_may_be_missing(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    page.get_by_text("CSV rows").click()
    page.get_by_label("Rows, one on each line").fill("\t2\t3\tKöln")
    assert predict(page) == "\t2\t3\tKöln"
    expect(page.locator(".score")).to_be_visible()


def test_error_is_told_in_the_words_of_the_server(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    page.get_by_label("support_calls").fill("many")
    status, text = ask(address, predict(page))
    assert page.locator("#result .words").inner_text() == json.loads(text)["error"]
    assert page.locator("#result .status").inner_text().startswith(f"{status} ")


def test_no_rows_is_no_error(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    page.get_by_text("CSV rows").click()
    predict(page)
    expect(page.locator("#result")).to_contain_text("There is no row to score.")


def test_server_that_is_gone_is_told(watched: Watched, folder: Path) -> None:
    page = watched.page
    with serving(folder, card_of(MANIFEST, 4, "XGBoost")) as address:
        page.goto(address)
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#result")).to_contain_text("The server can't be reached")
    watched.complaints[:] = [text for text in watched.complaints if "ERR_CONNECTION" not in text]


@pytest.mark.parametrize("city", CITIES)
def test_curl_line_does_what_the_form_does(watched: Watched, address: str, city: str) -> None:
    page = watched.page
    page.goto(address)
    page.get_by_label("tenure_months").fill("0.5")
    page.get_by_label("city").select_option(city)
    sent = predict(page)
    line = curl(page)
    assert shlex.split(line.replace("\\\n", ""))[-1] == sent
    answer = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=20)
    assert (200, answer.stdout) == ask(address, sent), answer.stderr


def test_curl_line_takes_rows_as_they_are(watched: Watched, address: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(",,,")
    page = watched.page
    page.goto(address)
    page.get_by_text("CSV rows").click()
    file = f"@{tmp_path}/rows.csv"
    for rows in ("1,2,3,Köln\n4,5,6,it's", file, "$(id) `id` \\ !x", '1,2,3,"a,b"'):
        page.get_by_label("Rows, one on each line").fill(rows)
        command = ["bash", "-c", curl(page)]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20)
        assert answer.stdout == ask(address, rows)[1], answer.stderr


def test_curl_line_is_copied(watched: Watched, address: str) -> None:
    page = watched.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(address)
    page.get_by_label("tenure_months").fill("7")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == curl(page)


def test_hostile_names_do_nothing(watched: Watched, folder: Path) -> None:
    hostile = replace(
        MANIFEST,
        training_job=HOSTILE,
        algorithm=HOSTILE,
        objective=HOSTILE,
        metrics={HOSTILE: 1.0, "train-" + HOSTILE: None},
        libraries={HOSTILE: HOSTILE},
        feature_names=(HOSTILE, "__proto__", "{{ 7 * 7 }}", "<!--<script>"),
        categories={"3": (HOSTILE, "constructor")},
    )
    page = watched.page
    with serving(folder, card_of(hostile, 4, HOSTILE)) as address:
        page.goto(address)
        expect(page).to_have_title(HOSTILE)
        labels = [text.strip() for text in page.locator("#fields label").all_text_contents()]
        assert labels[:3] == [HOSTILE, "__proto__", "{{ 7 * 7 }}"]
        assert labels[3].startswith("<!--<script>")
        page.get_by_label("__proto__").fill("1")
        assert predict(page) == ",1,,"
        assert page.locator("img, script:not(#data)").count() == 1


def test_script_of_another_is_refused_by_the_policy(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "document.title = 'owned'";
          document.body.append(script);
          const image = `<img src=x onerror="${script.textContent}">`;
          document.body.insertAdjacentHTML("beforeend", image);
        }"""
    )
    page.wait_for_timeout(100)
    expect(page).to_have_title(MANIFEST.training_job)
    assert len(watched.complaints) >= 2
    assert all("Content Security Policy" in text for text in watched.complaints)
    watched.complaints.clear()


def test_page_can_be_used_by_keyboard_alone(watched: Watched, address: str) -> None:
    page, keys = watched.page, watched.page.keyboard
    page.goto(address)
    keys.press("Tab")
    expect(page.get_by_role("radio", name="One row")).to_be_focused()
    keys.press("Tab")
    keys.type("0.5")
    for _ in range(3):
        keys.press("Tab")
    keys.type("New")
    keys.press("Tab")
    expect(page.get_by_role("button", name="Predict")).to_be_focused()
    with page.expect_response("**/invocations") as answered:
        keys.press("Enter")
    assert answered.value.request.post_data == '0.5,,,"New York"'
    expect(page.locator(".score")).to_be_visible()
    expect(page.get_by_role("button", name="Predict")).to_be_focused()
    keys.press("Tab")
    keys.press("Space")
    expect(page.get_by_label("tenure_months")).to_have_value("")
    expect(page.locator("#result")).to_be_hidden()
    page.get_by_role("radio", name="One row").focus()
    keys.press("ArrowRight")
    keys.press("Tab")
    keys.type("1,2,3,")
    assert curl(page).endswith("'1,2,3,'")


def test_enter_in_a_field_predicts(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    page.get_by_label("monthly_charge").fill("3")
    page.keyboard.press("Enter")
    expect(page.locator(".score")).to_be_visible()


def test_answer_is_read_out_and_fields_have_names(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    assert page.locator("#result").get_attribute("aria-live") == "polite"
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("input, select, textarea")]
          .filter((at) => !at.labels.length || !at.labels[0].textContent.trim()).length"""
    )
    assert nameless == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(watched: Watched, address: str, scheme: str) -> None:
    page = watched.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.goto(address)
    predict(page)
    assert page.evaluate(CONTRAST) == []
    page.get_by_text("CSV rows").click()
    page.get_by_label("Rows, one on each line").fill("1,2")
    predict(page)
    assert page.evaluate(CONTRAST) == []


def test_narrow_window_does_not_scroll_sideways(watched: Watched, folder: Path) -> None:
    long = "a_name_that_nobody_would_give_a_column_but_a_query_does_" * 4
    card = replace(
        card_of(MANIFEST, 4, "XGBoost"),
        feature_names=(long, "b", "c", "d"),
        training_job=long,
        metrics={f"{long}-{long}": 0.5},
    )
    page = watched.page
    page.set_viewport_size({"width": 360, "height": 640})
    with serving(folder, card) as address:
        page.goto(address)
        assert not page.evaluate(TOO_WIDE)
        page.locator("#fields input").first.fill(long)
        predict(page)
        assert not page.evaluate(TOO_WIDE)
        page.get_by_text("CSV rows").click()
        page.locator("#rows").fill(",,,\n" * 30)
        predict(page)
        assert not page.evaluate(TOO_WIDE)


def test_one_of_a_thousand_features_is_found(watched: Watched, folder: Path) -> None:
    page = watched.page
    names = [f"sensor_{place}" for place in range(1000)]
    with serving(folder, Card(1000, feature_names=names)) as address:
        page.goto(address)
        expect(page.locator("#shown")).to_have_text("24 of 1,000 features are shown.")
        page.get_by_label("sensor_7", exact=True).fill("7")
        page.get_by_label("Find a feature").fill("SENSOR_999")
        page.keyboard.press("Enter")
        page.get_by_label("sensor_999").fill("9")
        page.get_by_label("Find a feature").fill("")
        expect(page.get_by_label("sensor_7", exact=True)).to_have_value("7")
        page.get_by_role("button", name="Show more").click()
        expect(page.get_by_label("sensor_24", exact=True)).to_be_focused()
        cells = predict(page).split(",")
        assert (len(cells), cells[7], cells[999]) == (1000, "7", "9")
        page.get_by_label("Find a feature").fill("nothing")
        expect(page.locator("#shown")).to_have_text("No feature has such a name.")


def test_hundred_thousand_features_do_not_stop_the_browser(watched: Watched, folder: Path) -> None:
    page = watched.page
    names = [f"feature_{place}" for place in range(100_000)]
    with serving(folder, Card(100_000, feature_names=names)) as address:
        page.goto(address)
        begun = page.evaluate("performance.now()")
        # All that came before: fetching, reading and laying out the page.
        assert begun < 5000
        page.get_by_label("Find a feature").fill("99999")
        page.get_by_label("feature_99999").fill("1")
        assert curl(page).endswith(",1'")
        assert page.evaluate("performance.now()") - begun < 5000


def test_model_without_a_manifest_has_numbered_columns(watched: Watched, folder: Path) -> None:
    page = watched.page
    with serving(folder, card_of(None, 4, "XGBoost")) as address:
        page.goto(address)
        expect(page.get_by_role("heading", name="Model", exact=True)).to_be_visible()
        page.get_by_label("column 4").fill("1")
        assert predict(page) == ",,,1"


def test_class_probabilities_are_a_table(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    scores = {"predictions": [{"score": [0.25, 0.75]}]}
    page.route("**/invocations", lambda route: route.fulfill(json=scores))
    predict(page)
    assert page.locator("#result thead th").all_inner_texts() == ["row", "class 0", "class 1"]
    assert page.locator("#result td").all_inner_texts() == ["0.25", "0.75"]


@pytest.mark.parametrize("body", ['{"predictions": [{"score": NaN}]}', '{"label": "x"}', "[]"])
def test_answer_of_another_shape_is_shown_as_it_is(
    watched: Watched, address: str, body: str
) -> None:
    page = watched.page
    page.goto(address)
    page.route("**/invocations", lambda route: route.fulfill(body=body))
    predict(page)
    assert page.locator("#result .words").inner_text() == body


def test_only_the_first_thousand_scores_are_laid_out(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    scores = {"predictions": [{"score": 1.0}] * 1500}
    page.route("**/invocations", lambda route: route.fulfill(json=scores))
    predict(page)
    assert page.locator("#result tbody tr").count() == 1000
    expect(page.locator("#result caption")).to_have_text("The first 1,000 of 1,500 rows")


def test_classifier_shows_its_label_and_the_probability_of_each_class(
    watched: Watched, tmp_path: Path
) -> None:
    draw = np.random.default_rng(3)
    rows = draw.normal(size=(60, 2)).astype(np.float32)
    estimator = LogisticRegression().fit(rows, np.where(rows[:, 0] > 0, "yes", "no"))
    joblib.dump(estimator, tmp_path / "model.joblib")
    with listening(create_app(Endpoint(tmp_path), load_predictor(tmp_path))) as address:
        page = watched.page
        page.goto(address)
        page.get_by_label("column 1").fill("-2")
        page.get_by_label("column 2").fill("0")
        predict(page)
        expect(page.locator(".score")).to_have_text("no")
        words = page.locator("#result .words").all_inner_texts()
        assert [text.partition(":")[0] for text in words] == [
            "probability of no",
            "probability of yes",
        ]
        page.get_by_text("CSV rows").click()
        page.get_by_label("Rows, one on each line").fill("-2,0\n2,0")
        predict(page)
        expect(page.locator("#result th[scope=col]")).to_have_text(
            ["row", "label", "probability of no", "probability of yes"]
        )
        table = page.locator("#result tbody tr td").all_inner_texts()
    assert (table[0], table[3]) == ("no", "yes")
    assert float(table[1]) + float(table[2]) == pytest.approx(1)
