// The page of `spoofscope label`. Every change goes into the browser's own store first and from there
// to the server, again and again until the server has confirmed it: neither a server that ends nor a
// laptop that is closed loses an answer.
import WaveSurfer from "./wavesurfer/wavesurfer.esm.js";
import RegionsPlugin from "./wavesurfer/regions.esm.js";
import SpectrogramPlugin from "./wavesurfer/spectrogram.esm.js";

const SHORTEST_REGION = 0.005;
const TYPING_MS = 400;
const RETRY_MS = 2000;
// A server that hangs neither answers nor refuses. What is sent twice is saved once.
const SLOW_MS = 5000, LONGEST_WAIT_MS = 30000;
const IDLE_MS = 60000;
const TICK_MS = 1000;
// A tick that comes later than this was slept through.
const LATEST_TICK_MS = 2500;
const SILENT = "the server does not answer";
const COLOURS = ["#7c3aed", "#0f766e", "#b45309", "#be185d", "#4d7c0f", "#0369a1"];
const WAVE_HEIGHT = 80, SPECTROGRAM_HEIGHT = 120;
const NEEDED = ["regions", "cue"];

const $ = (selector, within = document) => within.querySelector(selector);
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

let study, annotator, clips = [], categories = [], place = 0, clip = null, active = 0;
let wave = null, regions = null, began = null, opening = 0;
let worked = 0, lastTick = performance.now(), lastInput = performance.now();

// --- talking to the server ----------------------------------------------------------------------

class Answer extends Error {
  constructor(status, body) { super(body.message || `the server answers ${status}`); this.status = status; this.body = body; }
}

/** Ask; `slow` is called where the answer takes long. */
async function ask(path, method = "GET", body = undefined, slow = () => {}) {
  const control = new AbortController();
  const timers = [setTimeout(slow, SLOW_MS), setTimeout(() => control.abort(), LONGEST_WAIT_MS)];
  let response, text, content;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      keepalive: method === "PUT",
      signal: control.signal,
    });
    text = await response.text();
  } finally {
    timers.forEach(clearTimeout);
  }
  try { content = JSON.parse(text); } catch { content = { message: text.trim() }; }
  if (!response.ok) throw new Answer(response.status, content);
  return content;
}

const person = () => `/api/annotators/${encodeURIComponent(annotator)}`;

function problem(text) {
  $("#problem").textContent = text;
  $("#problem").hidden = !text;
}

// --- answers on their way -----------------------------------------------------------------------

const shelf = () => `spoofscope:${study.pack}:${annotator}`;

// Where the browser keeps nothing (some private windows, a full store), this page does.
let kept = null;

function waiting() {
  return kept ?? JSON.parse(localStorage.getItem(shelf()) || "{}");
}

function shelve(pending) {
  try {
    if (Object.keys(pending).length) localStorage.setItem(shelf(), JSON.stringify(pending));
    else localStorage.removeItem(shelf());
    kept = null;
  } catch {
    kept = pending;
  }
}

addEventListener("beforeunload", (event) => {
  if (kept && Object.keys(kept).length) event.preventDefault();
});

// What the server has said of answers since this page was opened: a clip that was asked for before may
// come after that, and know less.
const confirmed = new Map();

function known(key, explanation, field) {
  if (!clip || clip.key !== key) return null;
  const where = explanation === null ? "clip" : String(explanation);
  clip.answers[where] ??= {};
  return (clip.answers[where][field] ??= { value: null, revision: 0 });
}

const valueOf = (explanation, field) => known(clip.key, explanation, field).value;

/** The annotator has answered: kept in this browser now, sent as soon as may be. */
function answer(explanation, field, value, delay = 0) {
  const there = known(clip.key, explanation, field);
  if (same(there.value, value)) return;
  there.value = value;
  const pending = waiting();
  const name = JSON.stringify([clip.key, explanation, field]);
  const before = pending[name];
  pending[name] = {
    value,
    base: before ? before.base : there.revision,
    sent: before ? before.sent : undefined,
    seconds: (before ? before.seconds : 0) + worked,
  };
  worked = 0;
  shelve(pending);
  note();
  noteState();
  send(delay);
}

let sending = false, timer = null;

function send(delay = 0) {
  clearTimeout(timer);
  timer = setTimeout(flush, delay);
}

async function flush() {
  if (sending || !annotator) return;
  sending = true;
  const who = annotator;
  try {
    while (annotator === who) {
      const pending = waiting();
      const name = Object.keys(pending)[0];
      if (name === undefined) break;
      await deliver(name, pending[name]);
    }
    if (annotator === who) note();
  } catch (error) {
    note(error instanceof Answer ? error.message : SILENT);
    clearTimeout(timer);
    timer = setTimeout(flush, RETRY_MS);
  } finally {
    sending = false;
  }
}

async function deliver(name, entry) {
  const [key, explanation, field] = JSON.parse(name);
  // Of a request whose answer is lost it is not known whether it was saved.
  const marked = waiting();
  marked[name] = { ...entry, sent: entry.value };
  shelve(marked);
  const body = { explanation, field, value: entry.value, base: entry.base, seconds: Math.min(entry.seconds, 3600) };
  try {
    const saved = await ask(`${person()}/clips/${key}/answers`, "PUT", body, () => note(SILENT));
    settle(name, entry, saved.revision);
    confirmed.set(name, { value: entry.value, revision: saved.revision });
    const there = known(key, explanation, field);
    if (there) there.revision = saved.revision;
    if (field === "state") mark(key, entry.value);
    else mark(key, undefined);
  } catch (error) {
    if (!(error instanceof Answer)) throw error;
    if (error.status === 409) {
      const current = error.body.current;
      confirmed.set(name, current);
      const own = entry.sent !== undefined && same(current.value, entry.sent);
      if (own || await keepOurs(current.value, entry.value)) rebase(name, current.revision);
      else discard(name, key, explanation, field, current);
    } else if (error.status === 422 || error.status === 404 || error.status === 413) {
      problem(`Not saved: ${error.message}`);
      discard(name, key, explanation, field, null);
    } else throw error;
  }
}

/** Confirmed: what was sent waits no longer; what has been answered since goes on from there. */
function settle(name, entry, revision) {
  const pending = waiting();
  const now = pending[name];
  if (!now) return;
  if (same(now.value, entry.value)) delete pending[name];
  else pending[name] = { value: now.value, base: revision, seconds: Math.max(0, now.seconds - entry.seconds) };
  shelve(pending);
}

function rebase(name, revision) {
  const pending = waiting();
  if (pending[name]) pending[name] = { ...pending[name], base: revision, sent: undefined };
  shelve(pending);
}

function discard(name, key, explanation, field, current) {
  const pending = waiting();
  delete pending[name];
  shelve(pending);
  const there = known(key, explanation, field);
  if (!there) return;
  if (current) Object.assign(there, current);
  else if (field === "state") there.value = null;
  show();
}

function keepOurs(theirs, ours) {
  const dialog = $("#conflict");
  $("#theirs").textContent = said(theirs);
  $("#ours").textContent = said(ours);
  dialog.showModal();
  return new Promise((resolve) => {
    const choose = (ours) => () => { dialog.close(); resolve(ours); };
    $("#take-theirs").onclick = choose(false);
    $("#take-ours").onclick = choose(true);
    dialog.oncancel = (event) => event.preventDefault();
  });
}

function said(value) {
  if (value === null) return "not answered";
  if (Array.isArray(value)) return value.map((r) => `${r.start.toFixed(3)}–${r.end.toFixed(3)} s${r.cue ? ` ${r.cue}` : ""}`).join(", ") || "nothing stands out";
  return String(value);
}

function note(trouble = "") {
  const count = Object.keys(waiting()).length;
  const status = $("#saved");
  status.className = count ? "waiting" : "";
  if (!count) status.textContent = "Saved";
  else if (!trouble) status.textContent = "Saving…";
  else status.textContent = `${count} not saved yet: ${trouble}. Kept in this ${kept ? "page alone: do not close it" : "browser"}, and sent again.`;
}

// --- time ---------------------------------------------------------------------------------------

setInterval(() => {
  const now = performance.now();
  const gap = now - lastTick;
  lastTick = now;
  const here = document.visibilityState === "visible" && (now - lastInput < IDLE_MS || wave?.isPlaying());
  if (clip && here && gap < LATEST_TICK_MS) worked += gap / 1000;
}, TICK_MS);
for (const kind of ["keydown", "pointerdown", "pointermove", "wheel"]) {
  addEventListener(kind, () => { lastInput = performance.now(); }, { passive: true });
}
addEventListener("pagehide", () => flush());
addEventListener("online", () => send());
document.addEventListener("visibilitychange", () => flush());

// --- clips --------------------------------------------------------------------------------------

async function begin(name) {
  annotator = name;
  confirmed.clear();
  localStorage.setItem("spoofscope:annotator", name);
  const all = await ask(`${person()}/clips`);
  clips = all.clips;
  categories = [
    { name: "all clips" },
    { name: "not done", state: ["", "started"] },
    { name: "untouched", state: [""] },
    { name: "started", state: ["started"] },
    { name: "skipped", state: ["skipped"] },
    { name: "done", state: ["done"] },
    ...all.categories,
  ];
  $("#category").replaceChildren(...categories.map((category, i) => new Option(category.name, i)));
  $("#who").textContent = name;
  $("#leave").hidden = false;
  $("#start").hidden = true;
  $("#work").hidden = false;
  $("#number").max = clips.length;
  $("#of").textContent = `of ${clips.length}`;
  send();
}

const among = (i) => {
  const category = categories[Number($("#category").value)];
  if (category.places) return category.places.includes(i);
  return !category.state || category.state.includes(clips[i][1]);
};

function step(direction) {
  for (let i = place + direction; i >= 0 && i < clips.length; i += direction) {
    if (among(i)) return open(i);
  }
  problem(direction > 0 ? "There is no further clip in this choice." : "There is no earlier clip in this choice.");
}

function mark(key, state) {
  const entry = clips.find((each) => each[0] === key);
  if (!entry) return;
  if (state === undefined) entry[1] ||= "started";
  else entry[1] = state ?? "started";
  progress();
}

function progress() {
  const count = (state) => clips.filter((each) => each[1] === state).length;
  $("#progress").textContent = `${count("done")} done, ${count("skipped")} skipped, ${clips.length} clips`;
}

async function open(i) {
  const turn = ++opening;
  flush();
  problem("");
  let answered;
  try {
    const slow = () => { if (turn === opening) problem("The server does not answer yet."); };
    answered = await ask(`${person()}/clips/${clips[i][0]}`, "GET", undefined, slow);
  } catch (error) {
    problem(`The clip cannot be opened: ${error instanceof Answer ? error.message : SILENT}.`);
    return;
  }
  if (turn !== opening) return;
  problem("");
  place = i;
  clip = answered;
  worked = 0;
  active = 0;
  cursor = null;
  began = null;
  for (const [name, entry] of confirmed) {
    const [key, explanation, field] = JSON.parse(name);
    const there = known(key, explanation, field);
    if (there && there.revision < entry.revision) Object.assign(there, entry);
  }
  // What is on its way is what the annotator has said last.
  for (const [name, entry] of Object.entries(waiting())) {
    const [key, explanation, field] = JSON.parse(name);
    if (key === clip.key) known(key, explanation, field).value = entry.value;
  }
  history.replaceState(null, "", `#/${encodeURIComponent(annotator)}/${i + 1}`);
  $("#number").value = i + 1;
  $("#marking").textContent = "";
  badges();
  blocks();
  load();
  show();
  progress();
  scrollTo(0, 0);
}

function badges() {
  $("#about").replaceChildren(...Object.entries(clip.about ?? {}).map(([name, value]) => {
    const badge = document.createElement("span");
    badge.textContent = `${name}: ${value}`;
    return badge;
  }));
}

// --- the player ---------------------------------------------------------------------------------

function load() {
  wave?.destroy();
  $("#zoom").value = 0;
  regions = RegionsPlugin.create();
  wave = WaveSurfer.create({
    container: "#waveform",
    height: WAVE_HEIGHT,
    waveColor: "#a8a29e",
    progressColor: "#57534e",
    cursorColor: "#b91c1c",
    sampleRate: clip.sample_rate,
    url: `/audio/${clip.key}`,
    plugins: [
      regions,
      SpectrogramPlugin.create({ height: SPECTROGRAM_HEIGHT, labels: false, fftSamples: 512, scale: "linear", colorMap: "igray" }),
    ],
  });
  hertz();
  const own = wave;
  $("#work").dataset.ready = "";
  wave.on("ready", () => {
    if (own !== wave) return;
    $("#work").dataset.ready = clip.key;
    regions.enableDragSelection({ color: "rgba(37, 99, 235, 0.25)" });
    showRegions();
    drawAll();
  });
  wave.on("error", (error) => problem(`The clip cannot be played: ${error.message ?? error}`));
  wave.on("timeupdate", showTime);
  wave.on("scroll", drawAll);
  wave.on("redraw", drawAll);
  wave.on("interaction", () => { cursor = null; });
  wave.on("play", () => {
    cursor = null;
    $("#play").firstChild.textContent = "Pause ";
  });
  wave.on("pause", () => { $("#play").firstChild.textContent = "Play "; });
  regions.on("region-created", (region) => {
    if (region.id.startsWith("shown-")) return;
    region.remove();
    addRegion(active, region.start, region.end);
  });
  regions.on("region-updated", (region) => {
    const i = Number(region.id.replace("shown-", ""));
    if (Number.isNaN(i)) return;
    const list = marked(active).map((each) => ({ ...each }));
    Object.assign(list[i], inside(region.start, region.end));
    setRegions(active, list);
  });
}

/** The frequencies of the spectrogram, from 0 to half of the sample rate. */
function hertz() {
  const highest = clip.sample_rate / 2000;
  const step = [1, 2, 5, 10, 20, 50].find((each) => highest / each <= 4.5) ?? 100;
  const made = [];
  for (let f = 0; f <= highest; f += step) {
    const label = document.createElement("span");
    label.textContent = f + step > highest ? `${f} kHz` : `${f}`;
    // Beside its line; the first and the last stay inside.
    const line = WAVE_HEIGHT + 1 + SPECTROGRAM_HEIGHT * (1 - f / highest);
    label.style.top = `${Math.max(WAVE_HEIGHT + 1, Math.min(WAVE_HEIGHT + SPECTROGRAM_HEIGHT - 14, line - 7))}px`;
    made.push(label);
  }
  $("#hertz").replaceChildren(...made);
}

// Where the cursor was put. The player tells so later, and keys come in quick succession.
let cursor = null;

function now() {
  return cursor ?? wave.getCurrentTime();
}

function seek(seconds) {
  cursor = wave.isPlaying() ? null : Math.max(0, Math.min(clip.duration, seconds));
  wave.setTime(cursor ?? Math.max(0, Math.min(clip.duration, seconds)));
}

function showTime() {
  $("#time").textContent = `${(wave ? now() : 0).toFixed(2)} s of ${clip.duration.toFixed(2)} s`;
}

function showRegions() {
  if (!regions || !wave?.getDecodedData()) return;
  regions.clearRegions();
  marked(active).forEach((region, i) => regions.addRegion({
    id: `shown-${i}`,
    start: region.start,
    end: region.end,
    color: "rgba(194, 65, 12, 0.25)",
    minLength: SHORTEST_REGION,
  }));
}

/** The seconds of the clip that are visible. */
function view() {
  const wrapper = wave?.getWrapper();
  const whole = wrapper?.scrollWidth ?? 0;
  if (!whole || !clip) return [0, clip?.duration ?? 1];
  const start = (wave.getScroll() / whole) * clip.duration;
  return [start, Math.min(clip.duration, start + (wave.getWidth() / whole) * clip.duration)];
}

// --- regions ------------------------------------------------------------------------------------

const marked = (i) => valueOf(i, "regions") ?? [];

function inside(start, end) {
  const low = Math.max(0, Math.min(start, end));
  const high = Math.min(clip.duration, Math.max(start, end));
  const round = (value) => Math.round(value * 1e4) / 1e4;
  return { start: round(low), end: round(high) };
}

function addRegion(i, start, end) {
  const region = inside(start, end);
  if (region.end - region.start < SHORTEST_REGION) return;
  setRegions(i, [...marked(i), { ...region, cue: null }]);
}

function setRegions(i, list) {
  const kept = list.filter((region) => region.end - region.start >= SHORTEST_REGION);
  kept.sort((one, other) => one.start - other.start || one.end - other.end);
  // Without any region the question is open again; that there is none is another answer.
  answer(i, "regions", kept.length ? kept : null);
  undone("regions", kept.length ? kept : null);
  showBlock(i);
  if (i === active) showRegions();
}

/** A clip that lacks a needed answer is not done. */
function undone(field, value) {
  const needed = NEEDED.includes(field) || (field === "comparison" && clip.explanations.length > 1);
  if (value === null && needed && valueOf(null, "state") === "done") answer(null, "state", null);
}

// --- explanations -------------------------------------------------------------------------------

function blocks() {
  const made = clip.explanations.map((explanation, i) => {
    const block = $("#block").content.cloneNode(true).firstElementChild;
    block.dataset.place = i;
    $(".title", block).textContent = explanation.title;
    if (explanation.score !== undefined) {
      const outcome = explanation.outcome ? `, ${explanation.outcome}` : "";
      $(".verdict", block).textContent = `${explanation.method}, score ${explanation.score.toFixed(2)}${outcome}`;
    }
    choices($(".cue .choices", block), i, "cue", study.cues.map((cue, k) => [cue.name, `${cue.name}`, cue.words, `${k + 1}`]));
    choices($(".locality .choices", block), i, "locality", [1, 2, 3, 4, 5].map((n) => [n, `${n}`, "", ""]));
    choices($(".audible .choices", block), i, "audible", [[true, "yes", "", "y"], [false, "no", "", "x"]]);
    $(".no-region", block).onchange = (event) => { event.target.blur(); noRegion(i, event.target.checked); };
    typed($(".remark", block), i, "comment");
    block.addEventListener("pointerdown", () => activate(i));
    block.addEventListener("focusin", () => activate(i));
    drag($("canvas", block), i);
    return block;
  });
  $("#blocks").replaceChildren(...made);
  $("#together").hidden = clip.explanations.length < 2;
  $("#together .key").replaceChildren(...clip.explanations.map((explanation, i) => {
    const name = document.createElement("span");
    name.textContent = explanation.title;
    name.style.color = COLOURS[i % COLOURS.length];
    return name;
  }));
  $("#comparison").closest("label").hidden = clip.explanations.length < 2;
}

function choices(container, i, field, options) {
  const group = `${field}-${i}`;
  for (const [value, text, title, key] of options) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: group, value: JSON.stringify(value) });
    input.onchange = () => choose(i, field, value);
    // After a click, keys are the page's again.
    label.onpointerup = () => setTimeout(() => input.blur());
    label.title = title;
    label.append(input, ` ${text}`);
    if (key) {
      const shown = document.createElement("kbd");
      shown.textContent = key;
      label.append(" ", shown);
    }
    container.append(label);
  }
  const clear = document.createElement("button");
  Object.assign(clear, { type: "button", className: "clear", textContent: "not answered" });
  clear.onclick = () => choose(i, field, null);
  container.append(clear);
}

function choose(i, field, value) {
  answer(i, field, value);
  undone(field, value);
  showBlock(i);
}

function noRegion(i, none) {
  if (none && marked(i).length) {
    problem("There are regions; remove them first.");
    return showBlock(i);
  }
  answer(i, "regions", none ? [] : null);
  undone("regions", none ? [] : null);
  showBlock(i);
}

function typed(area, i, field) {
  area.oninput = () => {
    const text = area.value.trim() ? area.value.trim() : null;
    answer(i, field, text, TYPING_MS);
    undone(field, text);
  };
  area.onblur = () => flush();
}

function activate(i) {
  if (i === active || i < 0 || i >= clip.explanations.length) return;
  active = i;
  began = null;
  $("#marking").textContent = "";
  showActive();
  showRegions();
}

function showActive() {
  for (const block of document.querySelectorAll(".block")) {
    block.classList.toggle("active", Number(block.dataset.place) === active);
  }
}

function show() {
  if (!clip) return;
  $("#general").value = valueOf(null, "general") ?? "";
  $("#comparison").value = valueOf(null, "comparison") ?? "";
  clip.explanations.forEach((_, i) => showBlock(i));
  showActive();
  showRegions();
  showTime();
  noteState();
  note();
}

function noteState() {
  const state = valueOf(null, "state");
  $("#state").textContent = state === "done" ? "Done." : state === "skipped" ? "Skipped." : "";
  $("#done").firstChild.textContent = state === "done" ? "Not done " : "Done ";
  $("#skip").firstChild.textContent = state === "skipped" ? "Do not skip " : "Skip this clip ";
}

function showBlock(i) {
  const block = $(`.block[data-place="${i}"]`);
  for (const field of ["cue", "locality", "audible"]) {
    const value = JSON.stringify(valueOf(i, field));
    for (const input of block.querySelectorAll(`.${field} input`)) input.checked = input.value === value;
    $(`.${field} .clear`, block).disabled = valueOf(i, field) === null;
  }
  const given = valueOf(i, "regions");
  $(".no-region", block).checked = given !== null && !given.length;
  const remark = $(".remark", block);
  if (document.activeElement !== remark) remark.value = valueOf(i, "comment") ?? "";
  $(".regions", block).replaceChildren(...marked(i).map((region, k) => row(i, region, k)));
  draw(i);
}

function row(i, region, k) {
  const item = document.createElement("li");
  const change = (part) => {
    const list = marked(i).map((each) => ({ ...each }));
    Object.assign(list[k], part);
    setRegions(i, list);
  };
  const bound = (name) => {
    const input = document.createElement("input");
    Object.assign(input, { type: "number", step: "0.001", min: "0", max: clip.duration, value: region[name].toFixed(4) });
    input.setAttribute("aria-label", `${name} of region ${k + 1} in seconds`);
    input.onchange = () => {
      const other = { ...region, [name]: Number(input.value) };
      const changed = inside(other.start, other.end);
      if (!input.value || changed.end - changed.start < SHORTEST_REGION) return showBlock(i);
      change(changed);
    };
    return input;
  };
  const play = document.createElement("button");
  Object.assign(play, { type: "button", textContent: "Play" });
  play.onclick = () => wave.play(region.start, region.end);
  const cue = document.createElement("select");
  cue.setAttribute("aria-label", `cue of region ${k + 1}`);
  cue.append(new Option("the cue below", ""), ...study.cues.map((each) => new Option(each.name, each.name)));
  cue.value = region.cue ?? "";
  cue.onchange = () => change({ cue: cue.value || null });
  const remove = document.createElement("button");
  Object.assign(remove, { type: "button", textContent: "Remove" });
  remove.onclick = () => setRegions(i, marked(i).filter((_, other) => other !== k));
  item.append(bound("start"), " to ", bound("end"), " s ", play, " ", cue, " ", remove);
  return item;
}

// --- plots --------------------------------------------------------------------------------------

function drawAll() {
  if (!clip) return;
  clip.explanations.forEach((_, i) => draw(i));
  drawTogether();
}

function prepared(canvas) {
  const ratio = devicePixelRatio || 1;
  const width = canvas.clientWidth, height = Number(canvas.getAttribute("data-height") ?? canvas.getAttribute("height"));
  canvas.dataset.height = height;
  canvas.style.height = `${height}px`;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return [context, width, height];
}

function scale(explanation) {
  const seen = explanation.values.filter((value) => value !== null);
  const largest = Math.max(1e-12, ...seen.map(Math.abs));
  return [largest, seen.some((value) => value < 0)];
}

// Words above a plot and times below it, where no curve goes; pixels.
const ABOVE = 17, BELOW = 19, BETWEEN = 46;

/** x of seconds, y of values, and the largest value. */
function axes(explanation, width, height) {
  const [start, end] = view();
  const [largest, signed] = scale(explanation);
  const both = signed || !study.blind, room = height - ABOVE - BELOW;
  const zero = ABOVE + (both ? room / 2 : room);
  const unit = (both ? room / 2 : room) / largest;
  return [(t) => ((t - start) / (end - start)) * width, (v) => zero - v * unit, largest, zero];
}

function draw(i) {
  const block = $(`.block[data-place="${i}"]`);
  if (!block) return;
  const explanation = clip.explanations[i];
  const [context, width, height] = prepared($("canvas", block));
  const [x, y, largest, zero] = axes(explanation, width, height);
  context.fillStyle = "rgba(194, 65, 12, 0.18)";
  for (const region of marked(i)) context.fillRect(x(region.start), 0, x(region.end) - x(region.start), height);
  explanation.values.forEach((value, k) => {
    const left = x(explanation.centre + (k - 0.5) * explanation.hop);
    const right = x(explanation.centre + (k + 0.5) * explanation.hop);
    if (right < 0 || left > width) return;
    if (value === null) {
      context.fillStyle = "#e7e5e4";
      context.fillRect(left, 0, right - left + 0.5, height);
    } else {
      context.fillStyle = study.blind ? "#57534e" : value >= 0 ? "#c2410c" : "#1d4ed8";
      context.fillRect(left, Math.min(zero, y(value)), Math.max(0.5, right - left), Math.abs(y(value) - zero));
    }
  });
  line(context, explanation, x, y, trend(explanation), "#111827", 1.5);
  context.strokeStyle = "#a8a29e";
  context.strokeRect(-1, zero, width + 2, 0);
  ticks(context, x, width, height);
  context.fillStyle = "#292524";
  context.fillText(study.blind ? "share of the largest" : `±${largest.toPrecision(2)} score; up: spoof`, 4, 13);
}

function ticks(context, x, width, height) {
  const [start, end] = view();
  const wide = (s) => s / (end - start) * width >= BETWEEN;
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300].find(wide) ?? 600;
  context.fillStyle = "#292524";
  context.font = "12px system-ui";
  context.fillRect(0, height - BELOW, width, 1);
  const first = Math.ceil(start / step);
  for (let k = first; k * step <= end; k++) {
    const t = k * step;
    const text = `${Number(t.toFixed(1))}${k === first ? " s" : ""}`;
    context.fillRect(x(t), height - BELOW, 1, 5);
    if (x(t) + 3 + context.measureText(text).width <= width) context.fillText(text, x(t) + 3, height - 4);
  }
}

/** Moving median over a tenth of a second. */
function trend(explanation) {
  const half = Math.max(1, Math.round(0.05 / explanation.hop));
  return explanation.values.map((value, k) => {
    if (value === null) return null;
    const around = explanation.values.slice(Math.max(0, k - half), k + half + 1).filter((each) => each !== null);
    around.sort((one, other) => one - other);
    return around[Math.floor(around.length / 2)];
  });
}

function line(context, explanation, x, y, values, colour, width) {
  context.beginPath();
  let down = false;
  values.forEach((value, k) => {
    if (value === null) { down = false; return; }
    const at = [x(explanation.centre + k * explanation.hop), y(value)];
    if (down) context.lineTo(...at); else context.moveTo(...at);
    down = true;
  });
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
  context.lineWidth = 1;
}

function drawTogether() {
  const canvas = $("#together canvas");
  if ($("#together").hidden) return;
  const [context, width, height] = prepared(canvas);
  clip.explanations.forEach((explanation, i) => {
    const [x, y] = axes(explanation, width, height);
    line(context, explanation, x, y, explanation.values, COLOURS[i % COLOURS.length], 1.2);
  });
  ticks(context, view() && ((t) => ((t - view()[0]) / (view()[1] - view()[0])) * width), width, height);
}

function drag(canvas, i) {
  const seconds = (event) => {
    const box = canvas.getBoundingClientRect();
    const [start, end] = view();
    return start + ((event.clientX - box.left) / box.width) * (end - start);
  };
  canvas.onpointerdown = (down) => {
    if (down.button !== 0) return;
    canvas.setPointerCapture(down.pointerId);
    const from = seconds(down), left = down.clientX;
    canvas.onpointermove = (move) => {
      draw(i);
      const box = canvas.getBoundingClientRect();
      const context = canvas.getContext("2d");
      context.fillStyle = "rgba(37, 99, 235, 0.25)";
      context.fillRect(left - box.left, 0, move.clientX - left, box.height);
    };
    canvas.onpointerup = (up) => {
      canvas.onpointermove = canvas.onpointerup = null;
      if (Math.abs(up.clientX - left) < 3) seek(from);
      else addRegion(i, from, seconds(up));
      draw(i);
    };
    canvas.onpointercancel = () => { canvas.onpointermove = canvas.onpointerup = null; draw(i); };
  };
}

addEventListener("resize", drawAll);

// --- done, skipped ------------------------------------------------------------------------------

function setState(state) {
  problem("");
  const current = valueOf(null, "state");
  if (state === "done" && current !== "done") {
    const missing = [];
    clip.explanations.forEach((explanation, i) => {
      if (valueOf(i, "regions") === null) missing.push(`${explanation.title}: the region`);
      if (valueOf(i, "cue") === null) missing.push(`${explanation.title}: the cue`);
    });
    if (clip.explanations.length > 1 && valueOf(null, "comparison") === null) missing.push("the comparison");
    if (missing.length) return problem(`Not answered yet: ${missing.join(", ")}.`);
  }
  answer(null, "state", current === state ? null : state);
}

// --- keys ---------------------------------------------------------------------------------------

const KEYS = {
  " ": () => wave.playPause(),
  e: () => focusBlock(active + 1),
  w: () => focusBlock(active - 1),
  "[": () => { began = now(); $("#marking").textContent = `region from ${began.toFixed(3)} s`; },
  "]": () => {
    if (began === null) return problem("A region begins with [ or i, and ends with ] or o.");
    addRegion(active, began, now());
    began = null;
    $("#marking").textContent = "";
  },
  i: () => KEYS["["](),
  o: () => KEYS["]"](),
  r: () => { const last = marked(active).at(-1); if (last) wave.play(last.start, last.end); },
  Delete: () => { if (marked(active).length) setRegions(active, marked(active).slice(0, -1)); },
  Backspace: () => KEYS.Delete(),
  0: () => noRegion(active, !(valueOf(active, "regions") !== null && !marked(active).length)),
  y: () => choose(active, "audible", true),
  x: () => choose(active, "audible", false),
  g: () => $("#general").focus(),
  c: () => $(`.block[data-place="${active}"] .remark`).focus(),
  v: () => $("#comparison").focus(),
  d: () => setState("done"),
  s: () => setState("skipped"),
  n: () => step(1),
  p: () => step(-1),
};

function focusBlock(i) {
  activate(i);
  $(`.block[data-place="${active}"]`).focus({ preventScroll: true });
  $(`.block[data-place="${active}"]`).scrollIntoView({ block: "center" });
}

addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.key === "Escape" && target.matches?.("textarea, input, select")) return target.blur();
  if (event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
  if (target.matches?.("textarea, select, input:not([type=radio], [type=checkbox], [type=range])")) return;
  if (event.key === "?") { $("#keys").showModal(); return event.preventDefault(); }
  if (!clip || $("#work").hidden) return;
  const arrow = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (arrow) {
    if (target.matches?.("input")) return;
    seek(now() + arrow * (event.shiftKey ? 0.1 : 1));
    return event.preventDefault();
  }
  const digit = /^Digit([1-9])$/.exec(event.code)?.[1];
  if (digit) {
    if (event.shiftKey && digit <= 5) choose(active, "locality", Number(digit));
    else if (!event.shiftKey && study.cues[digit - 1]) choose(active, "cue", study.cues[digit - 1].name);
    return event.preventDefault();
  }
  if (event.key === " " && target.matches?.("button, input")) return;
  if (event.shiftKey || !KEYS[event.key]) return;
  event.preventDefault();
  problem("");
  KEYS[event.key]();
});

// --- start --------------------------------------------------------------------------------------

function guarded(work) {
  return async (event) => {
    event?.preventDefault();
    try {
      problem("");
      await work();
    } catch (error) {
      problem(error instanceof Answer ? error.message : "The server does not answer.");
    }
  };
}

function people() {
  $("#annotators").replaceChildren(...study.annotators.map((name) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: name });
    button.onclick = guarded(() => enter(name));
    return button;
  }));
}

async function enter(name, number = null) {
  await begin(name);
  const first = clips.findIndex((each) => each[1] === "" || each[1] === "started");
  await open(number ?? Math.max(0, first));
}

$("#new").onsubmit = guarded(async () => {
  const made = await ask("/api/annotators", "POST", { name: $("#name").value });
  await enter(made.name);
});
$("#leave").onclick = guarded(async () => {
  await flush();
  history.replaceState(null, "", "/");
  location.reload();
});
$("#previous").onclick = () => step(-1);
$("#next").onclick = () => step(1);
$("#number").onchange = () => {
  const number = Number($("#number").value);
  if (Number.isInteger(number) && number >= 1 && number <= clips.length) open(number - 1);
  else $("#number").value = place + 1;
};
$("#category").onchange = () => {
  $("#category").blur();
  if (!among(place)) {
    const first = clips.findIndex((_, i) => among(i));
    if (first < 0) problem("There is no such clip."); else open(first);
  }
};
$("#play").onclick = () => wave.playPause();
$("#back").onclick = () => seek(now() - 1);
$("#forward").onclick = () => seek(now() + 1);
$("#zoom").oninput = () => { if (wave.getDecodedData()) wave.zoom(Number($("#zoom").value)); };
$("#done").onclick = () => setState("done");
$("#skip").onclick = () => setState("skipped");
$("#show-protocol").onclick = () => $("#protocol").showModal();
$("#show-keys").onclick = () => $("#keys").showModal();
typed($("#general"), null, "general");
typed($("#comparison"), null, "comparison");

await guarded(async () => {
  study = await ask("/api/study");
  $("#mode").textContent = study.blind
    ? `${study.clips} clips. What they are, and what detectors say of them, is hidden.`
    : `${study.clips} clips. Not blind: labels, attacks and scores are shown.`;
  $("#plots").textContent = study.blind
    ? "Plots show how strong the evidence is at each time, as a share of its maximum in the clip. Which class it is for is hidden. Grey: the detector does not hear this part. The line is a moving median."
    : "Plots show what each frame adds to the score: orange upwards for spoof, blue downwards for bona fide. Grey: the detector does not hear this part. The line is a moving median.";
  for (const cue of study.cues) {
    const name = document.createElement("dt"), words = document.createElement("dd");
    name.textContent = cue.name;
    words.textContent = cue.words;
    $("#cues").append(name, words);
  }
  people();
  const [, name, number] = location.hash.split("/").map(decodeURIComponent);
  if (name && study.annotators.includes(name)) await enter(name, number ? Number(number) - 1 : null);
})();
