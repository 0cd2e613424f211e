// A grid of photos that are looked through and labelled by keyboard or mouse.
//
// Python gives `data`:
//   page     identity of what is shown; with another one, all that was chosen is forgotten
//   attempt  counts the answers that came
//   photos   [{id, name, src, guess, note}], `guess` being a class or ""
//   classes  names of classes; the first nine have the keys 1 to 9, the next ones letters
//   naming   true: all photos are ticked, and one name is given to those that stay so
//   words    all that is written on the screen, by key
// and gets, as the value of the trigger `answer`:
//   {page, labels: {id: class}, left_out: [id, …]}   the page is confirmed
//   {page, undo: true}                               the last step is to be taken back
// Names are data from outside: they are set as text, never as HTML.

const LETTERS = "abcdefghijklmnopqrstuvwy"; // x leaves out, z undoes
const states = new WeakMap(); // of each place in the page where a grid is drawn

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".photo-grid");
  let state = states.get(root);
  if (!state || state.page !== data.page) {
    const hadFocus = Boolean(state) && root.contains(root.getRootNode().activeElement);
    state = newState(data);
    states.set(root, state);
    state.takeFocus = hadFocus;
  }
  state.data = data;
  if (state.attempt !== data.attempt) state.sent = false; // the answer came, and could not be kept
  state.attempt = data.attempt;
  state.send = (value) => setTriggerValue("answer", { page: data.page, ...value });
  draw(root, state);
  return () => {};
}

function newState(data) {
  const photos = {};
  for (const photo of data.photos) {
    photos[photo.id] = { label: photo.guess, out: false, ticked: data.naming };
  }
  return { page: data.page, photos, current: 0, history: [], added: [], sent: false, typed: "" };
}

function classesOf(state) {
  return [...state.data.classes, ...state.added];
}

function keyOf(place) {
  return place < 9 ? String(place + 1) : LETTERS[place - 9] || "";
}

// --- what a person does ------------------------------------------------------------------------

function change(root, state, ids, edit) {
  state.history.push(ids.map((id) => [id, { ...state.photos[id] }]));
  ids.forEach((id) => edit(state.photos[id]));
  draw(root, state);
}

function chosenIds(state) {
  const ticked = state.data.photos.filter((photo) => state.photos[photo.id].ticked);
  const chosen = ticked.length ? ticked : [state.data.photos[state.current]];
  return chosen.filter(Boolean).map((photo) => photo.id);
}

function setClass(root, state, name) {
  change(root, state, chosenIds(state), (photo) => {
    Object.assign(photo, { label: name, out: false, ticked: false });
  });
}

function nameChosen(root, state) {
  const name = state.typed.trim();
  if (!name) return;
  if (state.data.naming) {
    confirm(root, state, name);
    return;
  }
  if (!classesOf(state).includes(name)) state.added.push(name);
  state.typed = "";
  setClass(root, state, name);
  focusCurrent(root, state);
}

function leaveOut(root, state) {
  const ids = chosenIds(state);
  const out = !ids.every((id) => state.photos[id].out);
  change(root, state, ids, (photo) => Object.assign(photo, { out, ticked: false }));
}

function tick(root, state, id) {
  change(root, state, [id], (photo) => (photo.ticked = !photo.ticked));
}

function undo(root, state) {
  const last = state.history.pop();
  if (!last) {
    state.send({ undo: true });
    return;
  }
  last.forEach(([id, before]) => (state.photos[id] = before));
  draw(root, state);
}

function confirm(root, state, name = "") {
  if (state.sent) return;
  const labels = {};
  const leftOut = [];
  for (const [id, photo] of Object.entries(state.photos)) {
    if (photo.out) leftOut.push(Number(id));
    else if (state.data.naming ? photo.ticked && name : photo.label) labels[id] = name || photo.label;
  }
  if (!Object.keys(labels).length && !leftOut.length) return;
  state.sent = true; // until Python answers with another page, or with the same one and a reason
  state.send({ labels, left_out: leftOut });
  draw(root, state);
}

function move(root, state, steps) {
  const last = state.data.photos.length - 1;
  state.current = Math.min(Math.max(state.current + steps, 0), last);
  draw(root, state);
  focusCurrent(root, state);
}

function columns(root) {
  const tiles = [...root.querySelectorAll(".tile")];
  const top = tiles[0] ? tiles[0].offsetTop : 0;
  return Math.max(tiles.filter((tile) => tile.offsetTop === top).length, 1);
}

function onKey(root, state, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const photo = state.data.photos[state.current];
  const big = root.querySelector("dialog");
  const name = classesOf(state).find((_, place) => keyOf(place) === event.key.toLowerCase());
  const actions = {
    ArrowRight: () => move(root, state, 1),
    ArrowLeft: () => move(root, state, -1),
    ArrowDown: () => move(root, state, columns(root)),
    ArrowUp: () => move(root, state, -columns(root)),
    Home: () => move(root, state, -state.data.photos.length),
    End: () => move(root, state, state.data.photos.length),
    Enter: () => (state.data.naming ? root.querySelector("input").focus() : confirm(root, state)),
    " ": () => tick(root, state, photo.id),
    x: () => leaveOut(root, state),
    X: () => leaveOut(root, state),
    z: () => undo(root, state),
    Z: () => undo(root, state),
    "+": () => enlarge(root, state, photo),
    Escape: () => big.close(),
  };
  const action = actions[event.key] || (name && !state.data.naming && (() => setClass(root, state, name)));
  if (!action || !photo) return;
  event.preventDefault();
  event.stopPropagation(); // Streamlit has keys of its own
  action();
}

// --- what is drawn -----------------------------------------------------------------------------

function element(kind, className, text = "") {
  const made = document.createElement(kind);
  made.className = className;
  made.textContent = text;
  return made;
}

function draw(root, state) {
  if (root.dataset.page !== state.page) build(root, state);
  const { words, photos } = state.data;
  photos.forEach((photo, place) => {
    const tile = root.querySelector(`[data-id="${photo.id}"]`);
    const { label, out, ticked } = state.photos[photo.id];
    const shown = out ? words.left_out : label || words.no_label;
    tile.classList.toggle("out", out);
    tile.classList.toggle("ticked", ticked);
    tile.classList.toggle("changed", label !== photo.guess);
    tile.setAttribute("aria-selected", String(ticked));
    tile.setAttribute("aria-label", `${photo.name}: ${shown}`);
    tile.tabIndex = place === state.current ? 0 : -1;
    tile.querySelector(".label").textContent = state.data.naming ? photo.name : shown;
    tile.querySelector(".note").textContent = label === photo.guess && !out ? photo.note : "";
  });
  drawClasses(root, state);
  const button = root.querySelector(".confirm");
  button.disabled = state.sent;
  button.textContent = state.sent ? words.saving : words.confirm;
  if (state.takeFocus) {
    state.takeFocus = false;
    focusCurrent(root, state);
  }
}

function build(root, state) {
  const { words, photos, naming } = state.data;
  root.replaceChildren();
  root.dataset.page = state.page;
  const bar = element("div", "bar");
  const field = element("input", "name");
  field.placeholder = naming ? words.group_name : words.new_class;
  field.setAttribute("aria-label", field.placeholder);
  field.setAttribute("list", "photo-grid-classes");
  field.maxLength = 200;
  field.oninput = () => (state.typed = field.value);
  field.onkeydown = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    nameChosen(root, state);
    field.value = state.typed;
  };
  const button = element("button", "confirm", words.confirm);
  button.onclick = () => (naming ? nameChosen(root, state) : confirm(root, state));
  bar.append(field, element("datalist", ""), element("div", "classes"), button);
  bar.querySelector("datalist").id = "photo-grid-classes";
  const grid = element("div", "tiles");
  grid.setAttribute("role", "listbox");
  grid.setAttribute("aria-multiselectable", "true");
  grid.setAttribute("aria-label", words.photos);
  grid.onkeydown = (event) => onKey(root, state, event);
  photos.forEach((photo, place) => grid.append(tileOf(root, state, photo, place)));
  root.append(bar, grid, element("p", "keys", naming ? words.naming_keys : words.keys), dialogOf());
}

function tileOf(root, state, photo, place) {
  const tile = element("div", "tile");
  tile.dataset.id = photo.id;
  tile.setAttribute("role", "option");
  const picture = element("img", "");
  picture.src = photo.src;
  picture.alt = photo.name;
  const zoom = element("button", "zoom", "+");
  zoom.tabIndex = -1;
  zoom.setAttribute("aria-label", `${state.data.words.enlarge}: ${photo.name}`);
  zoom.onclick = (event) => {
    event.stopPropagation();
    enlarge(root, state, photo);
  };
  tile.append(picture, zoom, element("span", "label"), element("span", "note"));
  tile.onclick = () => {
    state.current = place;
    tick(root, state, photo.id);
    focusCurrent(root, state);
  };
  return tile;
}

function drawClasses(root, state) {
  const names = classesOf(state);
  const shown = names.join("\n");
  const place = root.querySelector(".classes");
  if (place.dataset.shown === shown) return;
  place.dataset.shown = shown;
  place.replaceChildren();
  names.forEach((name, number) => {
    const button = element("button", "class");
    button.append(element("kbd", "", keyOf(number)), element("span", "", name));
    button.onclick = () => {
      if (state.data.naming) confirm(root, state, name);
      else setClass(root, state, name);
    };
    place.append(button);
  });
  const options = names.map((name) => {
    const option = element("option", "");
    option.value = name;
    return option;
  });
  root.querySelector("datalist").replaceChildren(...options);
}

function dialogOf() {
  const dialog = element("dialog", "big");
  dialog.append(element("img", ""), element("p", ""));
  dialog.onclick = () => dialog.close();
  return dialog;
}

function enlarge(root, state, photo) {
  const dialog = root.querySelector("dialog");
  dialog.querySelector("img").src = photo.src;
  dialog.querySelector("img").alt = photo.name;
  dialog.querySelector("p").textContent = photo.name;
  dialog.onclose = () => focusCurrent(root, state);
  dialog.showModal();
}

function focusCurrent(root, state) {
  const photo = state.data.photos[state.current];
  const tile = photo && root.querySelector(`[data-id="${photo.id}"]`);
  if (tile) tile.focus();
}
