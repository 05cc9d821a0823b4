"use strict";
{
  const data = JSON.parse(document.getElementById("data").textContent);
  const by = (id) => document.getElementById(id);
  const form = by("form"), fields = by("fields"), result = by("result");
  // A browser that has to lay out all of 100,000 features stops answering.
  const PAGE = 24;
  const SHOWN_ROWS = 1000;
  // What was typed, by feature: most features have no element.
  const values = new Map();
  const address = new URL("invocations", document.baseURI).href;
  let limit = PAGE;
  let busy = false;

  const element = (name, text, properties = {}) =>
    Object.assign(document.createElement(name), { textContent: text }, properties);
  const nameOf = (feature) => data.names[feature] ?? `column ${feature + 1}`;
  const number = (value) => value.toLocaleString("en");

  const mode = () => form.elements.mode.value;

  // RFC 4180: quotes around a cell that would look like more than one.
  const cell = (text) => /[",;|\s]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

  function body() {
    // Blanks stay: a row of tab-separated values may start with a missing one.
    if (mode() === "csv") return by("rows").value.replace(/^\n+|\n+$/g, "");
    const cells = new Array(data.count).fill("");
    for (const [feature, text] of values) cells[feature] = cell(text);
    return cells.join(",");
  }

  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

  // --data-raw: a body that starts with @ would be read as a file's name.
  const command = () => [
    `curl -sS ${quoted(address)}`,
    "-H 'Content-Type: text/csv'",
    "-H 'Accept: application/json'",
    `--data-raw ${quoted(body())}`,
  ].join(" \\\n  ");

  function field(feature) {
    const label = element("label", nameOf(feature));
    const texts = data.categories[feature];
    let input;
    if (texts) {
      input = document.createElement("select");
      input.append(element("option", "missing", { value: "" }));
      for (const text of texts) input.append(element("option", text, { value: text }));
    } else {
      const date = data.dates[feature];
      const kind = date ? { placeholder: `${date} 10:30` } : { inputMode: "decimal" };
      input = element("input", "", { type: "text", spellcheck: false, ...kind });
    }
    input.value = values.get(feature) ?? "";
    input.dataset.feature = feature;
    label.append(input);
    return label;
  }

  function show() {
    const wanted = by("filter").value.trim().toLowerCase();
    const found = [];
    let count = 0;
    for (let feature = 0; feature < data.count; feature++) {
      if (wanted && !nameOf(feature).toLowerCase().includes(wanted)) continue;
      if (count++ < limit) found.push(field(feature));
    }
    fields.replaceChildren(...found);
    by("more").hidden = count <= limit;
    by("shown").textContent = wanted && !count ? "No feature has such a name."
      : data.count > PAGE ? `${number(found.length)} of ${number(count)} features are shown.` : "";
  }

  let due = false;
  function showCommand() {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      by("curl").textContent = command();
    });
  }

  function showMode() {
    by("row").hidden = mode() !== "row";
    by("csv").hidden = mode() !== "csv";
    showCommand();
  }

  // The columns of the answer: the label and each class's probability, or the score.
  function columnsOf(row) {
    const classes = (width) => Array.from({ length: width }, (_, k) =>
      data.labels.length === width ? `probability of ${data.labels[k]}` : `class ${k}`);
    if (!("predicted_label" in row)) return Array.isArray(row.score) ? classes(row.score.length) : ["score"];
    return ["label", ...classes(row.probabilities?.length ?? 0)];
  }
  const cellsOf = (row) => "predicted_label" in row
    ? [row.predicted_label, ...row.probabilities ?? []] : [row.score].flat();
  const textOf = (value) => typeof value === "number" ? digits(value) : String(value);

  function answersTable(answers) {
    const table = document.createElement("table");
    const names = columnsOf(answers[0]);
    const head = table.createTHead().insertRow();
    for (const name of ["row", ...names]) head.append(element("th", name, { scope: "col" }));
    const rows = table.createTBody();
    answers.slice(0, SHOWN_ROWS).forEach((row, place) => {
      const line = rows.insertRow();
      line.append(element("th", number(place + 1), { scope: "row" }));
      for (const value of cellsOf(row)) line.append(element("td", textOf(value)));
    });
    if (answers.length > SHOWN_ROWS) {
      table.append(element("caption", `The first ${number(SHOWN_ROWS)} of ${number(answers.length)} rows`));
    }
    const scroll = element("div", "", { className: "scroll", tabIndex: 0 });
    scroll.append(table);
    return scroll;
  }

  // A float32 comes with all digits of the float64 that it is; fewer tell it from all others.
  function digits(value) {
    for (let count = 6; count < 10; count++) {
      const short = Number(value.toPrecision(count));
      if (Math.fround(short) === value) return String(short);
    }
    return String(value);
  }

  // Answers as our own server gives them, or null: the endpoint may select other keys.
  function answersOf(text) {
    try {
      const answers = JSON.parse(text).predictions;
      const scored = (row) => [row.score].flat().every((value) => typeof value === "number");
      const labelled = (row) => Object.keys(row)
        .every((key) => ["predicted_label", "probability", "probabilities"].includes(key));
      const known = (row) => "predicted_label" in row ? labelled(row) : scored(row);
      return answers.length && answers.every(known) ? answers : null;
    } catch {
      return null;
    }
  }

  function errorOf(text) {
    try {
      return String(JSON.parse(text).error ?? text);
    } catch {
      return text;
    }
  }

  function answer(good, status, ...content) {
    result.hidden = false;
    result.classList.toggle("bad", !good);
    result.replaceChildren(element("p", status, { className: "status" }), ...content);
  }

  const words = (text) => element("p", text, { className: "words" });

  async function send() {
    const begun = performance.now();
    let response, text;
    try {
      response = await fetch(address, {
        method: "POST",
        headers: { "Content-Type": "text/csv", "Accept": "application/json" },
        body: body(),
      });
      text = await response.text();
    } catch (error) {
      return answer(false, "No answer", words(`The server can't be reached: ${error.message}`));
    }
    const took = `${(performance.now() - begun).toFixed(1)} ms`;
    const status = [response.status, response.statusText, "in", took].filter(Boolean).join(" ");
    if (!response.ok) return answer(false, status, words(errorOf(text)));
    if (response.status === 204) return answer(true, status, words("There is no row to score."));
    const answers = answersOf(text);
    if (!answers) return answer(true, status, words(text));
    const [first, ...probabilities] = cellsOf(answers[0]);
    if (answers.length > 1 || Array.isArray(answers[0].score)) {
      return answer(true, status, answersTable(answers));
    }
    const names = columnsOf(answers[0]).slice(1);
    answer(true, status, element("p", textOf(first), { className: "score" }),
      ...probabilities.slice(0, PAGE).map((value, k) => words(`${names[k]}: ${textOf(value)}`)));
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    by("send").setAttribute("aria-disabled", "true");
    await send();
    by("send").removeAttribute("aria-disabled");
    busy = false;
  });
  form.addEventListener("input", (event) => {
    const { feature } = event.target.dataset;
    if (feature !== undefined) {
      // A category is what it is, blanks included.
      const text = event.target.matches("select") ? event.target.value : event.target.value.trim();
      if (text) values.set(Number(feature), text);
      else values.delete(Number(feature));
    } else if (event.target.id === "filter") {
      limit = PAGE;
      show();
    }
    showCommand();
  });
  by("filter").addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
  form.addEventListener("change", (event) => {
    if (event.target.name === "mode") showMode();
  });
  form.addEventListener("reset", () => {
    const kept = mode();
    values.clear();
    limit = PAGE;
    result.hidden = true;
    // The browser empties the fields after this event.
    setTimeout(() => {
      form.elements.mode.value = kept;
      show();
      showMode();
    });
  });
  by("more").addEventListener("click", () => {
    const first = fields.children.length;
    limit += PAGE;
    show();
    fields.children[first].lastElementChild.focus();
  });
  by("copy").addEventListener("click", async () => {
    let said = "Copied";
    try {
      await navigator.clipboard.writeText(command());
    } catch {
      // Without HTTPS, on another machine, there is no clipboard to write to.
      getSelection().selectAllChildren(by("curl"));
      said = document.execCommand("copy") ? said : "Selected";
    }
    by("copy").textContent = said;
    setTimeout(() => { by("copy").textContent = "Copy"; }, 2000);
  });

  const some = data.names.length ? data.names.slice(0, 20).join(", ") + (data.count > 20 ? ", …" : "")
    : "as in the training data, without the label";
  by("order").textContent = `${number(data.count)} values each: ${some}`;
  by("find").hidden = data.count <= PAGE / 2;
  form.hidden = false;
  by("command").hidden = false;
  show();
  showMode();
}
