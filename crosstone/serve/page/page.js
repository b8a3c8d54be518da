import { decode, encode, peaks } from "./wav.js";

const $ = (id) => document.getElementById(id);
const COLOURS = ["#2f7fb8", "#c4622d", "#3b8f5a", "#9a5bb0", "#b58a1b", "#c24a78", "#4d8f93", "#7d7468"];
const DECODED_MIB = 64; // a larger file is sent as it is
const state = { model: null, name: "", blob: null, peaks: null, seconds: 0, parts: [], recorder: null };

// ── the server ────────────────────────────────────────────────────────────────────────────────

async function call(path, options = {}) {
  const token = sessionStorage.getItem("token");
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new Error("The server cannot be reached; is it still running?");
  }
  const body = await response.json().catch(() => ({}));
  if (response.status === 401) {
    $("door").hidden = false;
    $("token").focus();
  }
  if (!response.ok) throw new Error(body.error?.message ?? `The server answered ${response.status}.`);
  return body;
}

async function open() {
  try {
    state.model = await call("v1/model");
  } catch (error) {
    $("about").textContent = error.message;
    $("question").hidden = true;
    return;
  }
  const { head, labels, takes, max_seconds: most } = state.model;
  $("door").hidden = true;
  $("question").hidden = false;
  $("about").textContent = `${head}: ${labels.length ? labels.join(", ") : "a value"}`;
  const hears = takes.some((kind) => kind.includes("audio"));
  const reads = takes.some((kind) => kind.includes("text"));
  $("sound").hidden = !hears;
  $("words").hidden = !reads;
  $("mode").hidden = !hears;
  const needs = takes.includes("audio") ? "" : "This model needs them. ";
  $("words-hint").textContent = hears ? `${needs}For a timeline, paste or drop SubRip or WebVTT.` : "";
  $("mode").title = `A recording of more than ${most} s is answered part by part.`;
}

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", $("token").value);
  open();
});

// ── the recording ─────────────────────────────────────────────────────────────────────────────

async function take(blob, name) {
  if (/\.(txt|srt|vtt)$/i.test(name)) {
    $("text").value = await blob.text();
    if ($("text").value.includes("-->")) chooseMode("timeline");
    return;
  }
  clear();
  $("sound-state").textContent = `Reading ${name} …`;
  const rate = state.model.sampling_rate;
  const samples = blob.size < DECODED_MIB * 2 ** 20 ? await decode(blob, rate) : null;
  Object.assign(state, { name, blob, peaks: null, seconds: 0, parts: [] });
  if (samples) {
    state.blob = encode(samples, rate);
    state.peaks = peaks(samples, 1200);
    state.seconds = samples.length / rate;
    if (state.seconds > state.model.max_seconds) chooseMode("timeline");
  }
  const length = samples ? `, ${clock(state.seconds)}` : ", sent as it is";
  $("sound-state").textContent = `${name}${length}`;
  URL.revokeObjectURL($("audio").src);
  $("audio").src = URL.createObjectURL(state.blob);
  $("player").hidden = false;
  draw();
}

async function record() {
  if (state.recorder) {
    state.recorder.stop();
    return;
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    $("fault").textContent = navigator.mediaDevices
      ? `The microphone cannot be used (${error.message}).`
      : "Browsers lend the microphone only to https pages and to this machine's own.";
    return;
  }
  const chunks = [];
  const began = performance.now();
  const recorder = new MediaRecorder(stream);
  recorder.addEventListener("dataavailable", (event) => chunks.push(event.data));
  const ticking = setInterval(() => {
    $("sound-state").textContent = `Recording, ${clock((performance.now() - began) / 1000)}`;
  }, 250);
  recorder.addEventListener("stop", async () => {
    clearInterval(ticking);
    stream.getTracks().forEach((track) => track.stop());
    state.recorder = null;
    $("record").setAttribute("aria-pressed", "false");
    $("sound-state").setAttribute("aria-live", "polite");
    $("record-name").textContent = "Record again";
    await take(new Blob(chunks, { type: recorder.mimeType }), "recording.wav");
  });
  state.recorder = recorder;
  recorder.start();
  $("sound-state").setAttribute("aria-live", "off"); // its seconds would be read out one by one
  $("record").setAttribute("aria-pressed", "true");
  $("record-name").textContent = "Stop";
  $("fault").textContent = "";
}

$("record").addEventListener("click", record);
$("file").addEventListener("change", () => $("file").files[0] && take($("file").files[0], $("file").files[0].name));
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    const file = kind === "drop" && event.dataTransfer.files[0];
    if (file) take(file, file.name);
  });
}

// ── the waveform ──────────────────────────────────────────────────────────────────────────────

function draw() {
  const canvas = $("waveform");
  const { width, height } = canvas.getBoundingClientRect();
  if (!width) return;
  const scale = window.devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const brush = canvas.getContext("2d");
  brush.scale(scale, scale);
  const style = getComputedStyle(document.documentElement);
  const strip = state.parts.length ? 14 : 0;
  const at = (seconds) => (seconds / state.seconds) * width;
  for (const part of state.parts) {
    brush.fillStyle = colour(part.smoothed);
    brush.globalAlpha = part.unanswered ? 0.15 : 0.22;
    brush.fillRect(at(part.start), 0, at(part.end) - at(part.start), height - strip);
    brush.globalAlpha = part.unanswered ? 0.3 : 1;
    brush.fillRect(at(part.start), height - strip + 2, Math.max(1, at(part.end) - at(part.start) - 1), strip - 2);
  }
  brush.globalAlpha = 1;
  if (state.peaks) {
    const loudest = Math.max(0.05, ...state.peaks);
    const middle = (height - strip) / 2;
    brush.fillStyle = style.getPropertyValue("--wave");
    for (let x = 0; x < width; x++) {
      const from = Math.floor((x * state.peaks.length) / width);
      const to = Math.max(from + 1, Math.floor(((x + 1) * state.peaks.length) / width));
      const size = Math.max(...state.peaks.slice(from, to)) / loudest;
      brush.fillRect(x, middle - size * (middle - 4), 1, Math.max(1, 2 * size * (middle - 4)));
    }
  }
  if (state.seconds && $("audio").currentTime) {
    brush.fillStyle = style.getPropertyValue("--ink");
    brush.fillRect(at($("audio").currentTime), 0, 2, height);
  }
}

function mark() {
  draw();
  const now = $("audio").currentTime;
  for (const button of $("parts").querySelectorAll("button")) {
    const here = now > 0 && now >= button.dataset.start && now < button.dataset.end;
    button.setAttribute("aria-current", here);
  }
}

$("audio").addEventListener("timeupdate", mark);
$("waveform").addEventListener("click", (event) => {
  const { left, width } = $("waveform").getBoundingClientRect();
  if (state.seconds) $("audio").currentTime = ((event.clientX - left) / width) * state.seconds;
});
new ResizeObserver(draw).observe($("waveform"));

// ── the answer ────────────────────────────────────────────────────────────────────────────────

$("question").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData();
  const words = $("text").value.trim();
  const mode = document.querySelector("[name=mode]:checked").value;
  const reads = !$("words").hidden;
  if (state.blob) form.append("audio", state.blob, state.name);
  if (words && reads) {
    if (mode === "predict") form.append("text", words);
    else if (words.includes("-->")) {
      form.append(words.startsWith("WEBVTT") ? "vtt" : "srt", words);
      form.append("segments", "transcript");
    }
  }
  clear();
  if (!state.blob && (mode === "timeline" || !words)) {
    $("fault").textContent = "Record something, choose a file, or write what is said first.";
    return;
  }
  $("ask").disabled = true;
  $("ask").textContent = "Listening …";
  try {
    const answer = await call(`v1/${mode}`, { method: "POST", body: form });
    show(answer, mode);
  } catch (error) {
    $("fault").textContent = error.message;
  }
  $("ask").disabled = false;
  $("ask").textContent = "Ask the model";
});

function show(answer, mode) {
  $("answer").hidden = false;
  const raw = mode === "timeline" ? { ...answer, waveform: `${answer.waveform.length} peaks` } : answer;
  $("raw").textContent = JSON.stringify(raw, null, 2);
  if (mode === "timeline") showTimeline(answer);
  else showOne(answer);
  $("answer").focus({ preventScroll: true });
  $("answer").scrollIntoView({ block: "nearest" });
}

function showOne(answer) {
  const shown = answer.label ?? answer.value.toFixed(2);
  verdict(shown, `from ${answer.used.map((kind) => (kind === "audio" ? "the recording" : "the words")).join(" and ")}`);
  if (answer.probabilities) bars(answer.probabilities);
  if (answer.low !== undefined) verdict(shown, `between ${answer.low.toFixed(2)} and ${answer.high.toFixed(2)}`);
  if (answer.label_set) verdict(shown, `one of ${answer.label_set.join(", ") || "none"}`);
  $("said").textContent = answer.text ?? "";
  $("said").hidden = !answer.text;
}

function showTimeline(answer) {
  state.parts = answer.segments;
  state.seconds = answer.seconds;
  state.peaks = answer.waveform;
  const answered = state.parts.filter((part) => !part.unanswered);
  const turns = state.parts.filter((part) => part.turn).length;
  verdict(
    `${count(state.parts.length, "part")}, ${count(turns, "turn")}`,
    [
      `${clock(answer.seconds)} in all`,
      answered.length < state.parts.length ? `${state.parts.length - answered.length} not answered` : "",
      state.model.labels.length ? "shares of the time that is answered" : "",
    ].filter(Boolean).join("; "),
  );
  const labels = state.model.labels;
  if (labels.length) {
    bars(Object.fromEntries(labels.map((label) => [label, share(label)])), "of the time that is answered");
  }
  $("parts").replaceChildren(...state.parts.map(part));
  $("timeline").hidden = false;
  $("waveform").setAttribute("aria-label", `Waveform with ${count(state.parts.length, "part")}`);
  draw();

  function share(label) {
    const seconds = (parts) => parts.reduce((sum, p) => sum + p.end - p.start, 0);
    return seconds(answered.filter((p) => p.smoothed === label)) / (seconds(answered) || 1);
  }
}

function part(segment) {
  const own = segment.probabilities?.[segment.label];
  const name = segment.smoothed ?? "–";
  const button = element(
    "button",
    "",
    element("span", "when", `${clock(segment.start)} – ${clock(segment.end)}`),
    swatch(segment.smoothed),
    element("span", "", typeof name === "number" ? name.toFixed(2) : name),
    element("span", "share", segment.unanswered ? "no answer" : own === undefined ? "" : `${segment.label} ${percent(own)}`),
  );
  if (segment.text || segment.unanswered) button.append(element("span", "heard", segment.text ?? segment.unanswered));
  button.type = "button";
  button.dataset.start = segment.start;
  button.dataset.end = segment.end;
  button.addEventListener("click", () => {
    $("audio").currentTime = segment.start;
    $("audio").play();
  });
  return element("li", segment.turn ? "turn" : "", button);
}

function bars(shares, note = "") {
  $("bars").setAttribute("aria-label", note ? `Shares ${note}` : "Probabilities");
  $("bars").replaceChildren(
    ...Object.entries(shares)
      .sort((one, other) => other[1] - one[1])
      .map(([label, value]) => {
        const fill = element("div", "fill");
        fill.style.width = `${100 * value}%`;
        fill.style.background = colour(label);
        const track = element("div", "track", fill);
        track.setAttribute("aria-hidden", "true");
        return element("li", "", element("span", "name", label), track, element("span", "share", percent(value)));
      }),
  );
}

function verdict(said, from) {
  $("verdict").replaceChildren(said, element("small", "", from));
}

function clear() {
  state.parts = [];
  $("waveform").setAttribute("aria-label", "Waveform");
  $("fault").textContent = "";
  $("answer").hidden = $("timeline").hidden = $("said").hidden = true;
  $("bars").replaceChildren();
  draw();
}

function chooseMode(value) {
  document.querySelector(`[name=mode][value=${value}]`).checked = true;
}

// ── words and colours ─────────────────────────────────────────────────────────────────────────

function element(kind, name, ...children) {
  const made = document.createElement(kind);
  if (name) made.className = name;
  made.append(...children);
  return made;
}

function swatch(label) {
  const made = element("i", "swatch");
  made.style.background = colour(label);
  return made;
}

function colour(label) {
  const place = state.model.labels.indexOf(label);
  return place < 0 ? "#8b929a" : COLOURS[place % COLOURS.length];
}

function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function percent(value) {
  return `${(100 * value).toFixed(value > 0.995 || value < 0.005 ? 1 : 0)} %`;
}

function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const minutes = Math.floor(tenths / 600);
  const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

open();
