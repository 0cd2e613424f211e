// A camera: the server answers what it sees, or photos are kept for as long as a button is held.
//
// Python gives `data`:
//   kind     "answer" or "record"
//   address  to which frames are sent, one at a time
//   token    the password of the place where they go
//   counts   how many photos of each class are there already (record)
//   texts    all that is written on the screen, by key
// and gets, as the value of the trigger `arrived`, how many photos were kept (record).
// Streamlit calls the exported function each time the page is drawn, so it only renews what it is given.
// Names of classes are data from outside: they are set as text, never as HTML.

const ANSWER_SIDE = 384; // pixels of the longer side: no backbone reads much more
const KEPT_SIDE = 640;
const BETWEEN_ANSWERS_MS = 100; // that the browser and the server have for other things
const BETWEEN_PHOTOS_MS = 200;
const PATIENCE_MS = 2000; // after which it is said that an answer waits

export default function (component) {
  const { parentElement, data, setTriggerValue } = component;
  const root = parentElement.querySelector(".camera");
  const camera = (root.camera ??= new Camera(root));
  camera.renew(data, setTriggerValue);
  return () => setTimeout(() => root.isConnected || camera.stop(), 1000);
}

class Camera {
  constructor(root) {
    this.root = root;
    this.stream = null;
    this.canvas = document.createElement("canvas");
    this.holding = this.keeping = false;
    this.counts = new Map();
    this.find(".switch").onclick = () => (this.stream ? this.stop() : this.start());
    this.find(".done").onclick = () => this.finish();
    const field = this.find(".class");
    field.oninput = () => this.draw();
    field.onkeydown = (event) => event.stopPropagation(); // Streamlit has keys of its own
    const button = this.find(".hold");
    button.onpointerdown = (event) => event.button === 0 && this.hold(true);
    button.onkeydown = (event) => this.key(event, true);
    button.onkeyup = (event) => this.key(event, false);
    for (const type of ["pointerup", "pointercancel", "pointerleave", "blur"]) {
      button.addEventListener(type, () => this.hold(false));
    }
    button.oncontextmenu = (event) => event.preventDefault(); // a long touch opens a menu
  }

  find(name) {
    return this.root.querySelector(name);
  }

  renew({ kind, address, token, counts, texts }, setTriggerValue) {
    if (token !== this.token) this.counts.clear();
    for (const [label, count] of Object.entries(counts)) {
      this.counts.set(label, Math.max(count, this.counts.get(label) ?? 0)); // some may be on their way
    }
    Object.assign(this, { kind, address, token, texts, setTriggerValue });
    this.root.dataset.kind = kind;
    for (const name of ["name", "hold", "done"]) this.find("." + name).textContent = texts[name];
    this.find("video").setAttribute("aria-label", texts.video);
    this.draw();
  }

  draw() {
    const on = Boolean(this.stream);
    const total = [...this.counts.values()].reduce((sum, count) => sum + count, 0);
    this.find(".switch").textContent = on ? this.texts.stop : this.texts.start;
    this.find(".view").hidden = !on;
    this.find(".hold").disabled = !on || !this.label;
    this.find(".hold").classList.toggle("held", this.holding);
    this.find(".done").hidden = total === 0;
    this.find(".done").disabled = this.keeping;
    const lines = [...this.counts].map(([label, count]) => `${label}: ${count}`);
    set(this.find(".counts"), lines.join("\n"));
  }

  // --- the device ------------------------------------------------------------------------------

  async start() {
    this.complain("");
    if (!navigator.mediaDevices) return this.complain(this.texts.insecure);
    const button = this.find(".switch");
    button.disabled = true; // while the browser asks whether it may
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      this.stream = stream;
      stream.getVideoTracks()[0].onended = () => this.stream === stream && this.stop(); // it was pulled out
      this.find("video").srcObject = stream;
      await this.find("video").play();
    } catch (error) {
      this.stop();
      const problems = { NotAllowedError: this.texts.refused, NotFoundError: this.texts.none };
      return this.complain(problems[error.name] ?? this.texts.busy);
    } finally {
      button.disabled = false;
    }
    if (!this.root.isConnected) return this.stop(); // the page was left meanwhile
    this.draw();
    if (this.kind === "answer") this.answer(this.stream);
  }

  stop() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.holding = false;
    this.find("video").srcObject = null;
    for (const name of [".headline", ".details", ".status"]) set(this.find(name), "");
    this.draw();
  }

  // What is seen now, as a JPEG.
  async frame(side) {
    const video = this.find("video");
    const scale = Math.min(1, side / Math.max(video.videoWidth, video.videoHeight));
    this.canvas.width = Math.round(video.videoWidth * scale);
    this.canvas.height = Math.round(video.videoHeight * scale);
    this.canvas.getContext("2d").drawImage(video, 0, 0, this.canvas.width, this.canvas.height);
    return new Promise((resolve) => this.canvas.toBlob(resolve, "image/jpeg", 0.85));
  }

  async ask(method, headers, body) {
    let response;
    try {
      response = await fetch(this.address, { method, headers: { ...headers, "X-Tray": this.token }, body });
    } catch {
      throw new Refused(this.texts.lost);
    }
    if (response.ok) return response;
    throw new Refused(this.texts["status_" + response.status] ?? this.texts.lost);
  }

  complain(problem) {
    this.find(".problem").hidden = !problem;
    this.find(".problem").textContent = problem;
  }

  // --- answers ---------------------------------------------------------------------------------

  // The next frame is sent when the last one was answered, until this stream has ended.
  async answer(stream) {
    while (this.stream === stream) {
      if (!document.hidden) {
        const patience = setTimeout(() => set(this.find(".status"), this.texts.waiting), PATIENCE_MS);
        try {
          const response = await this.ask("POST", {}, await this.frame(ANSWER_SIDE));
          const { headline, details, problem } = await response.json();
          if (this.stream !== stream) return;
          if (problem) throw new Refused(problem);
          set(this.find(".headline"), headline);
          set(this.find(".details"), details);
          this.root.dataset.answers = Number(this.root.dataset.answers ?? 0) + 1;
        } catch (error) {
          if (this.stream !== stream) return;
          this.stop();
          this.complain(error instanceof Refused ? error.message : this.texts.lost);
        } finally {
          clearTimeout(patience);
          set(this.find(".status"), "");
        }
      }
      await pause(BETWEEN_ANSWERS_MS);
    }
  }

  // --- photos of a class -----------------------------------------------------------------------

  // The folder of the photos: one per class, whatever the name has in it.
  get label() {
    return this.find(".class").value.trim().replace(/[/\\]/g, "-");
  }

  key(event, down) {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat) this.hold(down);
  }

  hold(down) {
    this.holding = down && Boolean(this.stream && this.label);
    this.draw();
    if (this.holding && !this.keeping) this.keep();
  }

  // Keep a photo, and more while the button is held: also when it was let go and held for the next class while
  // the last photo was on its way.
  async keep() {
    this.keeping = true;
    this.complain("");
    try {
      do {
        const label = this.label;
        const due = performance.now() + BETWEEN_PHOTOS_MS;
        const number = (this.counts.get(label) ?? 0) + 1;
        const name = `${label}/${String(number).padStart(4, "0")}.jpg`;
        await this.ask("PUT", { "X-Name": encodeURIComponent(name) }, await this.frame(KEPT_SIDE));
        this.counts.set(label, number);
        this.draw();
        await pause(Math.max(0, due - performance.now()));
      } while (this.holding && this.stream);
    } catch (error) {
      this.complain(error instanceof Refused ? error.message : this.texts.lost);
    } finally {
      this.holding = this.keeping = false;
      this.draw();
    }
  }

  async finish() {
    this.complain("");
    this.find(".done").disabled = true;
    try {
      await this.ask("POST", {}, null);
    } catch (error) {
      this.draw();
      return this.complain(error.message);
    }
    this.stop();
    this.setTriggerValue("arrived", this.counts.size);
  }
}

class Refused extends Error {}

// Whoever listens to the page hears what is set, so only changes are.
const set = (element, text) => element.textContent === text || (element.textContent = text);

const pause = (time_ms) => new Promise((resolve) => setTimeout(resolve, time_ms));
