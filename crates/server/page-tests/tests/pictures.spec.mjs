// Pictures: chosen, dropped, pasted, taken; their plans; large.
import { answered, ask, box, chats, choose, expect, lastAnswer, png, shot, test } from "./page.mjs";

const cards = (page) => page.locator(".dock .card");

/** A file in the page, put into a drop or a paste. */
async function transfer(page, name, buffer, type = "image/png") {
  return page.evaluateHandle(([name, bytes, type]) => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name, { type }));
    return data;
  }, [name, buffer.toString("base64"), type]);
}

test("the plan of a picture is shown before it is sent", async ({ page }) => {
  await choose(page, [["wide.png", 1600, 900]]);
  await expect(cards(page)).toHaveCount(1);
  await expect(cards(page).locator("p")).toContainText(/1,600×900\s*(\d+×\d+ \+ 1 tiles|1 tile)\s*[\d,]+ tokens/);
});

test("tiles are drawn where they are cut @mock", async ({ page }) => {
  await choose(page, [["wide.png", 1600, 900], ["small.png", 200, 300], ["tall.png", 300, 1200]]);
  await expect(cards(page).nth(0)).toContainText("3×4 + 1 tiles");
  const path = cards(page).nth(0).locator(".tiles .over");
  await expect(path).toHaveAttribute("d", "M1 0V3M2 0V3M3 0V3M0 1H4M0 2H4");
  await expect(page.locator(".strip-total")).toHaveText(/3 pictures, \d+ tiles, [\d,]+ tokens/);
  await shot(page, "planned");
});

test("a shorter longest edge makes another plan @mock", async ({ page }) => {
  await choose(page, [["wide.png", 1600, 900]]);
  await expect(cards(page)).toContainText("832 tokens");
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByLabel("Longest edge of pictures").fill("512");
  await page.getByRole("button", { name: "Done" }).click();
  await expect(cards(page)).toContainText("64 tokens");
  await expect(cards(page).locator(".tiles")).toHaveCount(0);
  const bodies = chats(page);
  await ask(page, "small");
  await answered(page);
  expect(bodies[0].max_edge).toBe(512);
});

test("several pictures go in their order, and can be taken away", async ({ page }) => {
  const bodies = chats(page);
  await choose(page, [["a.png", 30, 20], ["b.png", 20, 30], ["c.png", 25, 25]]);
  await expect(cards(page)).toHaveCount(3);
  await page.getByRole("button", { name: "Remove b.png" }).click();
  await expect(cards(page)).toHaveCount(2);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await answered(page);
  await expect(lastAnswer(page)).toHaveClass(/done/);
  expect(bodies[0].messages[0].content.map((part) => part.type)).toEqual(["image_url", "image_url"]);
  await expect(page.locator(".turn.user .card")).toHaveCount(2);
});

test("a picture is dropped", async ({ page }) => {
  const dataTransfer = await transfer(page, "dropped.png", await png(page, 64, 48));
  await page.dispatchEvent("body", "dragenter", { dataTransfer });
  await expect(page.locator("#drop-veil")).toBeVisible();
  await page.dispatchEvent("body", "drop", { dataTransfer });
  await expect(page.locator("#drop-veil")).toBeHidden();
  await expect(cards(page)).toHaveCount(1);
  await expect(page.getByRole("button", { name: "Show dropped.png large" })).toBeVisible();
});

test("a picture is pasted, and text stays text", async ({ page }) => {
  const data = await transfer(page, "image.png", await png(page, 64, 48));
  await box(page).focus();
  await page.evaluate((clipboardData) => document.activeElement.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true })), data);
  await expect(cards(page)).toHaveCount(1);
  await page.evaluate(() => navigator.clipboard.writeText("only words"));
  await page.keyboard.press("Control+v");
  await expect(box(page)).toHaveValue("only words");
  await expect(cards(page)).toHaveCount(1);
});

test("a file that is no picture is refused in place", async ({ page }) => {
  const dataTransfer = await transfer(page, "notes.png", Buffer.from("not a picture"));
  await page.dispatchEvent("body", "drop", { dataTransfer });
  await expect(page.locator(".composer-error")).toHaveText("notes.png is not a picture that the browser can show.");
  await expect(cards(page)).toHaveCount(0);
});

test("what the server does not read is sent as PNG", async ({ page }) => {
  const drawing = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="60" height="40"><rect width="60" height="40" fill="red"/></svg>');
  const bodies = chats(page);
  const dataTransfer = await transfer(page, "drawing.svg", drawing, "image/svg+xml");
  await page.dispatchEvent("body", "drop", { dataTransfer });
  await expect(cards(page)).toHaveCount(1);
  await ask(page, "What colour?");
  await answered(page);
  await expect(lastAnswer(page)).toHaveClass(/done/);
  expect(bodies[0].messages[0].content[0].image_url.url).toMatch(/^data:image\/png/);
});

test("a picture is taken with the camera", async ({ page }) => {
  await page.getByRole("button", { name: "Take a picture" }).click();
  const dialog = page.getByRole("dialog", { name: "Take a picture" });
  await expect(dialog.getByRole("button", { name: "Take it" })).toBeEnabled();
  await dialog.getByRole("button", { name: "Take it" }).click();
  await expect(dialog).toBeHidden();
  await expect(cards(page)).toHaveCount(1);
  expect(await page.evaluate(() => document.querySelector("#camera video").srcObject)).toBe(null);
});

test("a model that sees nothing is shown no pictures", async ({ page }) => {
  await page.route("**/props", (route) => route.fulfill({ json: { context: 2048, pictures: null } }));
  await page.reload();
  await expect(page.getByRole("heading", { name: "Ask a question." })).toBeVisible();
  await expect(page.getByRole("button", { name: /picture|Live|shape/ })).toHaveCount(0);
  const dataTransfer = await transfer(page, "dropped.png", await png(page, 64, 48));
  await page.dispatchEvent("body", "drop", { dataTransfer });
  await ask(page, "Hello");
  await answered(page);
  await expect(page.locator(".card")).toHaveCount(0);
});

test("a picture opens large, with its tiles and its neighbours", async ({ page }) => {
  await choose(page, [["first.png", 1600, 900], ["second.png", 900, 1600]]);
  await ask(page, "These");
  await answered(page);
  await page.getByRole("button", { name: "Show first.png large" }).click();
  const viewer = page.getByRole("dialog", { name: "Picture" });
  await expect(viewer).toContainText("1 of 2: first.png");
  await expect(viewer.locator("#viewer-plan")).toContainText("1,600×900");
  await expect(viewer.locator("#viewer-plan")).toContainText("tokens");
  await page.keyboard.press("ArrowRight");
  await expect(viewer).toContainText("2 of 2: second.png");
  await expect(viewer.getByRole("button", { name: "The next picture" })).toBeDisabled();
  await page.keyboard.press("Escape");
  await expect(viewer).toBeHidden();
  await expect(page.getByRole("button", { name: "Show first.png large" })).toBeFocused();
});
