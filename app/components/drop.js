// Reads what is dropped or chosen, folders and all, and sends it file by file.
//
// Streamlit calls the exported function each time the page is drawn, so it only renews what it is given: what
// is being sent goes on. The page is told once, when the last file has arrived.

const AT_ONCE = 4; // requests

export default function (component) {
  const { parentElement, data, setTriggerValue } = component;
  const area = parentElement.querySelector(".area");
  const drop = (area.drop ??= new Drop(area));
  drop.renew(data, setTriggerValue);
  return () => setTimeout(() => area.isConnected || drop.end(), 1000);
}

class Drop {
  constructor(area) {
    this.area = area;
    this.sending = null; // an AbortController while files are on their way
    const find = (name) => area.querySelector(name);
    for (const [button, input] of [[".folders", ".folder-input"], [".files", ".file-input"]]) {
      find(button).onclick = () => find(input).click();
      find(input).onchange = (event) => {
        const files = [...event.target.files].map((file) => [file.webkitRelativePath || file.name, file]);
        event.target.value = ""; // so that the same can be chosen again
        this.send(async () => files);
      };
    }
    find(".cancel").onclick = () => this.sending?.abort();
    // All of the page takes what is dropped: a browser would open a file that misses the area.
    this.over = (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      area.classList.toggle("over", event.type === "dragover");
    };
    this.dropped = (event) => {
      this.over(event);
      if (event.defaultPrevented) this.take(event.dataTransfer);
    };
    for (const type of ["dragover", "dragleave"]) document.addEventListener(type, this.over);
    document.addEventListener("drop", this.dropped);
  }

  renew({ address, token, texts }, setTriggerValue) {
    Object.assign(this, { address, token, texts, setTriggerValue });
    this.area.classList.toggle("first", texts.first === "yes");
    for (const name of ["title", "hint", "folders", "files", "cancel"]) {
      this.area.querySelector("." + name).textContent = texts[name];
    }
    this.area.querySelector("progress").setAttribute("aria-label", texts.sending);
  }

  end() {
    this.sending?.abort();
    for (const type of ["dragover", "dragleave"]) document.removeEventListener(type, this.over);
    document.removeEventListener("drop", this.dropped);
  }

  take(transfer) {
    // The list of what was dropped is empty after this event: its entries have to be asked for now.
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const plain = [...transfer.files].map((file) => [file.name, file]);
    this.send(() => (entries.length ? filesOf(entries) : plain));
  }

  async send(list) {
    if (this.sending) return;
    const sending = (this.sending = new AbortController());
    this.show({ busy: true, position: this.texts.reading });
    try {
      const files = await list();
      if (!files.length) throw new Refused(this.texts.nothing);
      await this.ask("DELETE", {}, null, sending.signal); // what an earlier drop may have left
      await this.sendAll(files, sending.signal);
      await this.ask("POST", {}, null, sending.signal);
      this.show({});
      this.setTriggerValue("arrived", files.length);
    } catch (error) {
      const aborted = sending.signal.aborted && !(error instanceof Refused);
      sending.abort();
      this.show({ problem: aborted ? "" : error instanceof Refused ? error.message : this.texts.lost });
      if (this.area.isConnected) this.ask("DELETE", {}, null).catch(() => {});
    } finally {
      this.sending = null;
    }
  }

  async sendAll(files, signal) {
    const total = files.length;
    let next = 0;
    let done = 0;
    const work = async () => {
      while (next < total) {
        const [name, file] = files[next++];
        if (!(await readable(file))) throw new Refused(this.texts.folders_refused);
        await this.ask("PUT", { "X-Name": encodeURIComponent(name) }, file, signal);
        done += 1;
        const position = this.texts.position.replace("{done}", spelled(done)).replace("{total}", spelled(total));
        this.show({ busy: true, position, fraction: done / total });
      }
    };
    // One that fails ends the others, too: what they throw then has been said already.
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, total) }, work));
  }

  async ask(method, headers, body, signal) {
    const response = await fetch(this.address, { method, headers: { ...headers, "X-Tray": this.token }, body, signal });
    if (response.ok) return;
    const name = headers["X-Name"] ? decodeURIComponent(headers["X-Name"]) : "";
    const text = this.texts["status_" + response.status] ?? this.texts.lost;
    throw new Refused(text.replace("{name}", name));
  }

  show({ busy = false, position = "", fraction = 0, problem = "" }) {
    const find = (name) => this.area.querySelector(name);
    find(".sending").hidden = !busy;
    find(".buttons").hidden = busy;
    find("progress").value = fraction;
    find(".position").textContent = position;
    find(".problem").hidden = !problem;
    find(".problem").textContent = problem;
  }
}

class Refused extends Error {}

// What dropped entries hold, as [path, file] each.
async function filesOf(entries) {
  const found = [];
  for (const entry of entries) {
    if (entry.isFile) {
      found.push([entry.fullPath.slice(1), await new Promise((resolve, reject) => entry.file(resolve, reject))]);
    } else {
      const reader = entry.createReader();
      for (let some = await batch(reader); some.length; some = await batch(reader)) {
        found.push(...(await filesOf(some)));
      }
    }
  }
  return found;
}

// A folder hands over its entries a hundred at a time.
const batch = (reader) => new Promise((resolve, reject) => reader.readEntries(resolve, reject));

// A folder that a browser takes for a file cannot be read.
const readable = (file) =>
  file.slice(0, 1).arrayBuffer().then(
    () => true,
    () => false,
  );

const spelled = (number) => number.toLocaleString(document.documentElement.lang || undefined);
