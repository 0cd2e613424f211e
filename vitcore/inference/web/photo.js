// From a photo to the pixels that the model takes: upright, on white, and not much larger than it looks at.
// The model itself does the rest, as it does everywhere.

const GAP = 3; // a photo keeps at least so many times the side that the model looks at, as in the training
const STRIP = 64; // rows of the small photo at a time: a large photo never lies in memory as a whole twice

/** By how much a photo can be made smaller first: a whole number, 1 for small photos. */
export function reduction(width, height, size) {
  return Math.max(1, Math.floor(Math.min(width, height) / (size * GAP)));
}

/**
 * Averages squares of pixels, as Pillow's `reduce` does; what is left over at the right and below is averaged too.
 * RGBA (width × height) in, RGB out, written into `to` from row `row` on.
 */
export function reduce(rgba, width, height, factor, to, row = 0) {
  const across = Math.ceil(width / factor);
  const down = Math.ceil(height / factor);
  for (let y = 0; y < down; y += 1) {
    const bottom = Math.min(height, (y + 1) * factor);
    for (let x = 0; x < across; x += 1) {
      const right = Math.min(width, (x + 1) * factor);
      const count = (bottom - y * factor) * (right - x * factor);
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let v = y * factor; v < bottom; v += 1) {
        for (let u = x * factor, at = 4 * (v * width + u); u < right; u += 1, at += 4) {
          red += rgba[at];
          green += rgba[at + 1];
          blue += rgba[at + 2];
        }
      }
      const place = 3 * ((row + y) * across + x);
      to[place] = Math.floor((red + count / 2) / count);
      to[place + 1] = Math.floor((green + count / 2) / count);
      to[place + 2] = Math.floor((blue + count / 2) / count);
    }
  }
}

const SAMPLE = 256; // pixels that are looked at, across and down
const [LIGHT, SEEN, NEARLY_ALL] = [225, 32, 0.95]; // of 255, of 255, and the share

/** The colour below what is transparent: white, or dark grey where nearly all that is seen is white. */
function paperBelow(image, width, height, canvas, context) {
  canvas.width = Math.min(width, SAMPLE);
  canvas.height = Math.min(height, SAMPLE);
  context.imageSmoothingEnabled = false;
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  const rgba = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let seen = 0;
  let light = 0;
  for (let at = 0; at < rgba.length; at += 4) {
    if (rgba[at + 3] < SEEN) continue;
    seen += 1;
    const grey = (19595 * rgba[at] + 38470 * rgba[at + 1] + 7471 * rgba[at + 2] + 32768) >> 16;
    light += grey >= LIGHT ? 1 : 0;
  }
  return light > NEARLY_ALL * seen ? "#404040" : "#fff";
}

/** The pixels of what a canvas can draw: {data, width, height}, RGB. */
export function pixelsOf(image, width, height, size, canvas) {
  const factor = reduction(width, height, size);
  const across = Math.ceil(width / factor);
  const down = Math.ceil(height / factor);
  const data = new Uint8Array(3 * across * down);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const paper = paperBelow(image, width, height, canvas, context);
  context.imageSmoothingEnabled = false;
  for (let row = 0; row < down; row += STRIP) {
    const top = row * factor;
    const rows = Math.min(height - top, STRIP * factor);
    canvas.width = width;
    canvas.height = rows;
    context.fillStyle = paper;
    context.fillRect(0, 0, width, rows);
    context.drawImage(image, 0, top, width, rows, 0, 0, width, rows);
    reduce(context.getImageData(0, 0, width, rows).data, width, rows, factor, data, row);
  }
  return { data, width: across, height: down };
}

/** The photo in a file, upright; rejects what this browser cannot read. */
export function decode(file) {
  return createImageBitmap(file, {
    imageOrientation: "from-image",
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  });
}

/** The answer by the probabilities and the novelty: label, confidence, sure, reason, ranked. */
export function answerOf(probabilities, novelty, model) {
  const ranked = model.classes.map((label, place) => ({ label, share: probabilities[place] }));
  ranked.sort((one, other) => other.share - one.share);
  let reason = "";
  if (novelty > model.largest_novelty) reason = "novel";
  else if (ranked[0].share <= model.least_confidence) reason = "ambiguous";
  return { label: ranked[0].label, confidence: ranked[0].share, sure: !reason, reason, ranked };
}
