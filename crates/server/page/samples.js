// Pictures that are drawn here, with a question each, to try the model with.

import { byId, el } from "./dom.js";
import { pictureOfCanvas } from "./pictures.js";

const SIDE = 384;

/** `draw` gets a canvas' context of 384 by 384, white. */
const SAMPLES = [
  {
    name: "circle.png",
    question: "What color is the shape?",
    draw(ink) {
      ink.fillStyle = "#dc1414";
      ink.beginPath();
      ink.arc(192, 192, 112, 0, 2 * Math.PI);
      ink.fill();
    },
  },
  {
    name: "squares.png",
    question: "How many squares are there?",
    draw(ink) {
      ink.fillStyle = "#4169e1";
      for (const [x, y, side] of [[52, 62, 104], [226, 48, 92], [118, 222, 118]]) ink.fillRect(x, y, side, side);
    },
  },
  {
    name: "word.png",
    question: "What does the text say?",
    draw(ink) {
      ink.fillStyle = "#141414";
      ink.font = "bold 104px 'Liberation Sans', Arial, Helvetica, sans-serif";
      ink.textAlign = "center";
      ink.textBaseline = "middle";
      ink.fillText("OPEN", SIDE / 2, SIDE / 2 + 6, SIDE - 50);
    },
  },
];

/** Shows them; `ontry({ text, pictures })` asks one. */
export function showSamples(ontry) {
  byId("samples").replaceChildren(...SAMPLES.map((sample) => {
    const canvas = el("canvas", { width: SIDE, height: SIDE, "aria-hidden": "true" });
    const ink = canvas.getContext("2d");
    ink.fillStyle = "#ffffff";
    ink.fillRect(0, 0, SIDE, SIDE);
    sample.draw(ink);
    const ask = async () => ontry({ text: sample.question, pictures: [await pictureOfCanvas(canvas, sample.name)] });
    return el("li", {}, el("button", { type: "button", class: "sample", onclick: ask }, canvas, el("span", {}, sample.question)));
  }));
}
