// What all tests share: a page that fails its test where it breaks its policy, asks elsewhere, or throws.

import { test as base, expect } from "@playwright/test";

export { expect };

export const test = base.extend({
  page: async ({ page, baseURL }, use) => {
    const wrong = [];
    const origin = new URL(baseURL).origin;
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(origin) && !/^(data|blob):/.test(url)) wrong.push(`a request to ${url}`);
    });
    page.on("pageerror", (error) => wrong.push(`threw ${error.stack ?? error}`));
    page.on("console", (message) => {
      if (/Content Security Policy|violates/i.test(message.text())) wrong.push(message.text());
    });
    await page.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => console.error(`violates ${event.violatedDirective}: ${event.blockedURI}`));
    });
    await page.goto("/");
    await expect(page.locator("#model")).toBeVisible();
    await use(page);
    expect(wrong).toEqual([]);
  },
});

export const box = (page) => page.getByRole("textbox", { name: "Your question" });
export const answers = (page) => page.locator(".turn.assistant");
export const lastAnswer = (page) => answers(page).last();

/** Types and sends a question by the keyboard. */
export async function ask(page, text) {
  await box(page).last().fill(text);
  await box(page).last().press("Enter");
}

/** Waits until the newest answer is there. */
export async function answered(page) {
  await expect(lastAnswer(page)).toHaveClass(/done|stopped|failed/);
}

/** A PNG of one colour and this size, made in the browser. */
export async function png(page, width, height, colour = "teal") {
  const url = await page.evaluate(([width, height, colour]) => {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const ink = canvas.getContext("2d");
    const sky = ink.createLinearGradient(0, 0, width, height);
    sky.addColorStop(0, colour);
    sky.addColorStop(1, "white");
    ink.fillStyle = sky;
    ink.fillRect(0, 0, width, height);
    return canvas.toDataURL("image/png");
  }, [width, height, colour]);
  return Buffer.from(url.split(",")[1], "base64");
}

/** Chooses pictures with the file field: `[[name, width, height, colour], …]`. */
export async function choose(page, pictures) {
  const files = [];
  for (const [name, ...of] of pictures) files.push({ name, mimeType: "image/png", buffer: await png(page, ...of) });
  await page.locator(".dock input[type=file]").setInputFiles(files);
}

/** The bodies of the chats that the page asks for, as they come. */
export function chats(page) {
  const bodies = [];
  page.on("request", (request) => {
    if (request.url().endsWith("/v1/chat/completions")) bodies.push(request.postDataJSON());
  });
  return bodies;
}

/** A picture of the page, for a person to look at. */
export const shot = (page, name) => page.screenshot({ path: `shots/${name}.png` });
