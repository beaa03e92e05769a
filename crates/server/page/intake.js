// Pictures and clips that are dropped on the page or pasted into it.

import { byId, show } from "./dom.js";

/** Gives dropped and pasted files to the composer that `target()` names; to none, where it names none. */
export function takeIn(target) {
  let depth = 0;
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  const isOpen = () => target() && !document.querySelector("dialog[open]");
  const veil = (visible) => {
    depth = visible ? depth : 0;
    show(byId("drop-veil"), visible);
  };
  addEventListener("dragenter", (event) => {
    if (!carries(event) || !isOpen()) return;
    depth += 1;
    veil(true);
  });
  addEventListener("dragleave", (event) => {
    if (carries(event) && (depth -= 1) <= 0) veil(false);
  });
  addEventListener("dragover", (event) => {
    if (carries(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    veil(false);
    if (isOpen()) give([...event.dataTransfer.files]);
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])].filter((file) => /^(image|video)\//.test(file.type));
    if (!files.length || !isOpen()) return;
    event.preventDefault();
    give(files);
  });
  const give = (files) => {
    if (!files.length) return;
    target().add(files);
    target().focus();
  };
}
