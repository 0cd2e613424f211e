// The page: photos in, answers out, all of it on the visitor's own device.

import { answerOf, decode, pixelsOf } from "./photo.js";

const BARS = 5;
const element = (id) => document.getElementById(id);
const canvas = document.createElement("canvas");
let model;
let ort;
let session;
let texts;
let language;
let stream;
let last = Promise.resolve(); // one photo after the other
let waiting = 0;

function made(tag, parent, text = "", className = "") {
  const child = document.createElement(tag);
  child.textContent = text;
  if (className) child.className = className;
  parent.append(child);
  return child;
}

const percent = (share) =>
  new Intl.NumberFormat(language, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(share);

function status(text) {
  element("status").textContent = text;
}

function speak(code) {
  language = code;
  texts = model.texts[code];
  document.documentElement.lang = code;
  for (const place of document.querySelectorAll("[data-text]")) place.textContent = texts[place.dataset.text];
  const about = element("about");
  about.replaceChildren();
  for (const sentence of texts.about) made("p", about, sentence);
  for (const shown of document.querySelectorAll(".answer")) if (shown.answer) draw(shown, shown.answer);
  for (const refused of document.querySelectorAll(".refused")) refused.textContent = texts.unreadable;
  status(session ? texts.ready : texts.loading);
}

function draw(place, answer) {
  place.answer = answer;
  place.replaceChildren();
  made("h2", place, answer.sure ? answer.label : texts.not_sure);
  if (!answer.sure) {
    made("p", place, texts[answer.reason]);
    made("p", place, texts.nearest.replace("{label}", () => answer.label), "quiet");
  }
  for (const { label, share } of answer.ranked.slice(0, BARS)) {
    const bar = made("div", place, "", "bar");
    made("span", bar, label);
    const length = made("progress", bar);
    length.max = 1;
    length.value = share;
    length.setAttribute("aria-label", label);
    made("span", bar, percent(share));
  }
}

async function predicted(image, width, height) {
  const { data, width: across, height: down } = pixelsOf(image, width, height, model.input_size, canvas);
  const photo = new ort.Tensor("uint8", data, [down, across, 3]);
  const found = await session.run(Object.fromEntries(session.inputNames.map((name) => [name, photo])));
  const answer = answerOf(found.probabilities.data, found.novelty.data[0], model);
  for (const name of Object.keys(found)) found[name].dispose();
  return answer;
}

async function answerFile(file) {
  const item = made("li", element("answers"));
  item.dataset.file = file.name;
  const image = made("img", item);
  image.alt = file.name;
  const place = made("div", item, "", "answer");
  try {
    const bitmap = await decode(file);
    image.src = thumbnail(bitmap);
    const answer = await predicted(bitmap, bitmap.width, bitmap.height);
    bitmap.close();
    draw(place, answer);
    item.dataset.label = answer.label;
    item.dataset.confidence = answer.confidence;
    item.dataset.sure = answer.sure;
    item.dataset.reason = answer.reason;
    item.dataset.probabilities = JSON.stringify(Object.fromEntries(answer.ranked.map((one) => [one.label, one.share])));
  } catch (error) {
    console.warn(error);
    image.remove();
    place.textContent = "";
    made("h2", place, file.name);
    made("p", place, texts.unreadable, "refused");
    item.dataset.error = "unreadable";
  }
}

function thumbnail(bitmap) {
  const small = document.createElement("canvas");
  const scale = Math.min(1, 256 / Math.min(bitmap.width, bitmap.height));
  small.width = Math.max(1, Math.round(bitmap.width * scale));
  small.height = Math.max(1, Math.round(bitmap.height * scale));
  small.getContext("2d").drawImage(bitmap, 0, 0, small.width, small.height);
  return small.toDataURL("image/png");
}

function take(files) {
  for (const file of files) {
    waiting += 1;
    last = last.then(async () => {
      status(texts.working.replace("{count}", () => waiting));
      await new Promise((drawn) => setTimeout(drawn)); // let the page show it
      await answerFile(file);
      waiting -= 1;
      if (!waiting) status(texts.ready);
    });
  }
}

// --- the camera -----------------------------------------------------------------------------------

async function live() {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    console.warn(error);
    status(texts.no_camera);
    return;
  }
  const video = element("video");
  video.srcObject = stream;
  element("live").hidden = false;
  await video.play();
  const mine = stream;
  let ended = performance.now();
  while (stream === mine) {
    const answer = await predicted(video, video.videoWidth, video.videoHeight);
    draw(element("seen"), answer);
    const now = performance.now();
    const rate = 1000 / (now - ended);
    ended = now;
    element("live").dataset.rate = rate;
    element("rate").textContent = texts.rate.replace("{rate}", () => rate.toFixed(1));
    await new Promise((drawn) => setTimeout(drawn));
  }
}

function stop() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = undefined;
  element("live").hidden = true;
}

// --- the start ------------------------------------------------------------------------------------

async function fetched(file, integrity) {
  const answer = await fetch(file, integrity ? { integrity } : {});
  if (!answer.ok) throw new Error(`${file}: ${answer.status}`);
  return answer.arrayBuffer();
}

async function openRuntime() {
  const { main, loader, binary, integrity } = model.runtime;
  const here = (file) => new URL(file, document.baseURI).href;
  if (!integrity) {
    ort = await import(here(main));
    ort.env.wasm.wasmPaths = { mjs: here(loader), wasm: here(binary) };
  } else {
    // From a public place: what comes has to be what was pinned.
    const module = async (file) =>
      URL.createObjectURL(new Blob([await fetched(file, integrity[file])], { type: "text/javascript" }));
    ort = await import(await module(main));
    ort.env.wasm.wasmPaths = { mjs: await module(loader) };
    ort.env.wasm.wasmBinary = await fetched(binary, integrity[binary]);
  }
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
}

async function start() {
  model = JSON.parse(new TextDecoder().decode(await fetched("model.json")));
  const chosen = element("language");
  for (const [code, words] of Object.entries(model.texts)) made("option", chosen, words.name).value = code;
  const preferred = navigator.languages.map((name) => name.slice(0, 2)).find((code) => model.texts[code]);
  chosen.value = preferred ?? Object.keys(model.texts)[0];
  chosen.addEventListener("change", () => speak(chosen.value));
  speak(chosen.value);
  try {
    await openRuntime();
    session = await ort.InferenceSession.create(await fetched(model.file));
  } catch (error) {
    console.error(error);
    status(texts.failed);
    return;
  }
  element("photos").disabled = false;
  element("camera").disabled = !navigator.mediaDevices;
  element("photos").addEventListener("change", (event) => {
    take([...event.target.files]);
    event.target.value = "";
  });
  element("camera").addEventListener("click", live);
  element("stop").addEventListener("click", stop);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("over");
  });
  document.addEventListener("dragleave", () => document.body.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("over");
    take([...event.dataTransfer.files]);
  });
  status(texts.ready);
  document.body.dataset.ready = "true";
}

start();
