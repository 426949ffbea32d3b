"use strict";
// Asks /v1/stream each second and draws what it says; every text goes in as text, never as HTML.
const EVERY_MS = 1000, POINTS = 120, FEWEST = 30, TRENDING = "/v1/trending?hours=1&limit=10";
const lines = { plays: [], fresh: [], lag: [] };
const at = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat("en");
const brief = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

function element(name, classes, ...inside) {
  const made = document.createElement(name);
  made.className = classes;
  made.append(...inside);
  return made;
}

function duration(ms) {
  if (ms === null) return ["–", ""];
  if (ms < 1000) return [whole.format(Math.round(ms)), "ms"];
  if (ms < 120000) return [brief.format(ms / 1000), "s"];
  return [brief.format(ms / 60000), "min"];
}

const inWords = (ms) => duration(ms).join(" ").trim();

function figure(id, value, unit, isBad) {
  at(id).replaceChildren(value, unit ? element("small", "", unit) : "");
  at(id).classList.toggle("bad", Boolean(isBad));
}

function path(classes, d) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "path");
  made.setAttribute("class", classes);
  made.setAttribute("d", d);
  return made;
}

function draw(name, value) {
  const points = lines[name];
  points.push(value);
  if (points.length > POINTS) points.shift();
  const known = points.map((point) => point ?? 0);
  const top = Math.max(...known, 1e-9) * 1.1;
  const step = 240 / (Math.max(known.length, FEWEST) - 1), first = 240 - (known.length - 1) * step;
  const line = known.map((y, i) => `${(first + i * step).toFixed(1)},${(55 - 54 * y / top).toFixed(1)}`).join("L");
  at(`${name}-line`).replaceChildren(path("area", `M${first.toFixed(1)},56L${line}L240,56Z`), path("", `M${line}`));
}

function drawFigures(stream) {
  figure("plays", brief.format(stream.plays_per_second));
  figure("fresh", ...duration(stream.fresh_p99_ms));
  figure("lag", stream.lag === null ? "–" : whole.format(stream.lag), stream.lag === null ? "" : "records");
  figure("letters", stream.dead_letters === null ? "–" : whole.format(stream.dead_letters), "", stream.dead_letters > 0);
  draw("plays", stream.plays_per_second);
  draw("fresh", stream.fresh_p99_ms);
  draw("lag", stream.lag);
  at("plays-note").textContent = stream.folded_by === "api" ? "folded by the API as they come" : "folded by the workers";
  at("fresh-note").textContent =
    stream.fresh_p50_ms === null ? "nothing in the last minute" : `half within ${inWords(stream.fresh_p50_ms)}, last minute`;
  const last = stream.features.find((one) => one.lag > 0 && one.lag === stream.lag);
  at("lag-note").textContent = `${last ? `of ${last.feature}; ` : ""}the oldest waited ${inWords(stream.delay_ms)}`;
}

function drawLedger(ledger, now) {
  at("books").hidden = ledger === null;
  if (ledger === null) return;
  figure("ledger", whole.format(ledger.difference), "", ledger.difference !== 0);
  at("ledger-note").textContent = `${whole.format(ledger.accepted)} events, ${inWords(Math.max(0, now - ledger.at_ms))} ago`;
}

function worker(told) {
  const age = told.alive ? "" : ` gone for ${inWords(told.age_ms)}`;
  return element("div", told.alive ? "" : "gone", element("span", told.alive ? "dot" : "dot bad"), told.worker + age);
}

function drawFeatures(features) {
  const number = (text) => element("td", "number", text);
  at("features").replaceChildren(...features.map((one) => element(
    "tr", "",
    element("td", "", one.feature), element("td", "", ...one.workers.map(worker)),
    number(brief.format(one.events_per_second)), number(one.lag === null ? "–" : whole.format(one.lag)),
    number(inWords(one.delay_ms)), number(inWords(one.fresh_p50_ms)), number(inWords(one.fresh_p99_ms)),
  )));
}

function drawProblems(problems) {
  at("state").textContent = problems.length ? "needs a look" : "keeping up";
  at("state").className = problems.length ? "bad" : "good";
  at("problems").hidden = problems.length === 0;
  at("problems").replaceChildren(...problems.map((text) => element("li", "", text)));
}

function track(entry, most) {
  const bar = element("div", "bar");
  bar.style.width = `${100 * entry.plays / most}%`;
  const name = element("span", "name", entry.title ?? entry.track_id);
  if (entry.artist) name.append(element("span", "", ` · ${entry.artist}`));
  return element("li", "track", bar, element("span", "rank", String(entry.rank)), name, element("span", "", whole.format(entry.plays)));
}

function drawTrending(answer) {
  const entries = answer?.entries ?? [];
  at("trending-when").textContent = answer ? `· ${whole.format(answer.plays)} plays of this hour and the last` : "";
  at("trending").replaceChildren(...entries.map((entry) => track(entry, entries[0].plays)));
  if (!entries.length) at("trending").append(element("li", "quiet", answer ? "Nothing played in the last hour." : "Not known at the moment."));
}

async function asked(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(5000) });
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
  return answer.json();
}

async function look() {
  try {
    const stream = await asked("/v1/stream");
    at("when").textContent = `${new Date(stream.as_of_ms).toISOString().slice(11, 19)} UTC`;
    drawFigures(stream);
    drawLedger(stream.ledger, stream.as_of_ms);
    drawFeatures(stream.features);
    drawProblems(stream.problems);
  } catch (error) {
    at("state").textContent = "no answer";
    at("state").className = "unknown";
    return;
  }
  drawTrending(await asked(TRENDING).catch(() => null));
}

async function forever() {
  for (;;) {
    const next = new Promise((done) => setTimeout(done, EVERY_MS));
    if (!document.hidden) await look();
    await next;
  }
}

forever();
