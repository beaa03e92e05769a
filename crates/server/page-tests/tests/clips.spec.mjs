// Clips: films and animations, chosen, dropped, shown and sent.
import { readFile } from "node:fs/promises";
import { answered, ask, chats, expect, lastAnswer, shot, test } from "./page.mjs";

const GOLDEN = new URL("../../../../golden/pictures/", import.meta.url);
const cards = (page) => page.locator(".dock .card");
const field = (page) => page.locator(".dock input[type=file]");

/** A film of about a second, 160 by 120, which the browser itself records. */
async function film(page) {
  const bytes = await page.evaluate(async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 160, height: 120 });
    const ink = canvas.getContext("2d");
    const pieces = [];
    const recorder = new MediaRecorder(canvas.captureStream(10), { mimeType: "video/webm;codecs=vp8" });
    recorder.ondataavailable = ({ data }) => pieces.push(data);
    const ended = new Promise((done) => (recorder.onstop = done));
    recorder.start();
    for (let at = 0; at < 12; at += 1) {
      ink.fillStyle = "white";
      ink.fillRect(0, 0, 160, 120);
      ink.fillStyle = "crimson";
      ink.fillRect(10 * at, 40, 40, 40);
      await new Promise((done) => setTimeout(done, 100));
    }
    recorder.stop();
    await ended;
    return [...new Uint8Array(await new Blob(pieces).arrayBuffer())];
  });
  return { name: "moving.webm", mimeType: "video/webm", buffer: Buffer.from(bytes) };
}

async function animation() {
  return { name: "moving.gif", mimeType: "image/gif", buffer: await readFile(new URL("gif-frames-1.gif", GOLDEN)) };
}

test("a film is shown with its frames and tokens, and sent as it is", async ({ page }) => {
  const bodies = chats(page);
  await field(page).setInputFiles([await film(page)]);
  await expect(cards(page)).toContainText("160×120");
  await expect(cards(page)).toContainText(/\d+ frames?\s*[1-9][\d,]* tokens/);
  await expect(cards(page).locator("img")).toHaveJSProperty("naturalWidth", 160);
  await expect(cards(page).locator(".film")).toBeVisible();
  await shot(page, "clip");
  await ask(page, "What happens?");
  await answered(page);
  await expect(lastAnswer(page)).toHaveClass(/done/);
  const [part, words] = bodies[0].messages[0].content;
  expect(part.type).toBe("video_url");
  expect(part.video_url.url).toMatch(/^data:video\/webm;base64,/);
  expect(words).toEqual({ type: "text", text: "What happens?" });
  await expect(page.locator(".turn.user .card")).toContainText(/frame/);
});

test("an animation is a clip, a picture beside it is none", async ({ page }) => {
  const bodies = chats(page);
  const still = { name: "still.png", mimeType: "image/png", buffer: await readFile(new URL("../images/small.png", GOLDEN)) };
  await field(page).setInputFiles([await animation(), still]);
  await expect(cards(page)).toHaveCount(2);
  await expect(cards(page).nth(0)).toContainText(/\d+ frames?/);
  await expect(cards(page).nth(1)).toContainText(/tiles?/);
  await expect(page.locator(".strip-total")).toHaveText(/^1 picture and 1 clip, \d+ tiles, [\d,]+ tokens$/);
  await ask(page, "What is different?");
  await answered(page);
  expect(bodies[0].messages[0].content.map((part) => part.type)).toEqual(["video_url", "image_url", "text"]);
});

test("a film opens large and plays", async ({ page }) => {
  await field(page).setInputFiles([await film(page), await animation()]);
  await page.getByRole("button", { name: "Show moving.webm large" }).click();
  const viewer = page.getByRole("dialog", { name: "Picture" });
  await expect(viewer).toContainText("1 of 2: moving.webm");
  await expect(viewer.locator("video")).toHaveJSProperty("videoWidth", 160);
  await expect(viewer.locator("#viewer-plan")).toHaveText(/frames? shown, [\d,]+ tokens/);
  await viewer.locator("video").evaluate((shown) => shown.play());
  await shot(page, "clip-large");
  await viewer.getByRole("button", { name: "The next picture" }).click();
  await expect(viewer.locator("img")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(viewer).toBeHidden();
});

test("what the browser cannot show may still be sent", async ({ page }) => {
  await field(page).setInputFiles([{ name: "old.avi", mimeType: "", buffer: Buffer.from("RIFF....AVI LIST") }]);
  await expect(cards(page)).toHaveCount(1);
  await expect(cards(page).locator(".film")).toBeVisible();
  await page.getByRole("button", { name: "Show old.avi large" }).click();
  await expect(page.getByRole("dialog", { name: "Picture" })).toContainText("The browser cannot show this film.");
});

test("what the server says is wrong with a clip stands on its card", async ({ page }) => {
  const message = "this server decodes no films, as it has no FFmpeg; animated GIF, WebP and PNG files would be right";
  await page.route("**/v1/plan", (route) => route.fulfill({ status: 501, json: { error: { message, type: "server_error" } } }));
  await field(page).setInputFiles([await animation()]);
  await expect(cards(page).locator(".wrong")).toHaveText(message);
});
