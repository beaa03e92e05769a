// For everybody: by keyboard alone, for screen readers, in both themes, on a phone.
import AxeBuilder from "@axe-core/playwright";
import { answered, ask, box, choose, expect, lastAnswer, shot, test } from "./page.mjs";

async function hasNoFaults(page) {
  await page.evaluate(() => document.getAnimations().forEach((animation) => animation.cancel()));
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join("\n")}`)).toEqual([]);
}

for (const colorScheme of ["light", "dark"]) {
  test(`no faults are found, ${colorScheme}`, async ({ page }) => {
    test.setTimeout(120_000);
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await hasNoFaults(page);
    await shot(page, `greeting-${colorScheme}`);
    await choose(page, [["a.png", 1600, 900], ["b.png", 60, 80]]);
    await expect(page.locator(".dock .card")).toHaveCount(2);
    await expect(page.locator(".dock .card").first()).toContainText("tokens");
    await hasNoFaults(page);
    await ask(page, "!long");
    await answered(page);
    await page.route("**/v1/chat/completions", (route) => route.fulfill({ status: 401, contentType: "application/json", body: '{"error":{"message":"a key"}}' }));
    await ask(page, "x");
    await expect(lastAnswer(page).locator(".failure")).toBeVisible();
    await hasNoFaults(page);
    await shot(page, `turns-${colorScheme}`);
    await page.locator(".turn.user").first().getByRole("button", { name: "Edit" }).click();
    await hasNoFaults(page);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByRole("radio", { name: "JSON schema" }).check();
    await page.getByText("Keys", { exact: true }).click();
    await hasNoFaults(page);
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByRole("button", { name: "Show a.png large" }).click();
    await expect(page.locator("#viewer-plan")).toContainText("tokens");
    await hasNoFaults(page);
    await shot(page, `viewer-${colorScheme}`);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Live" }).click();
    await expect(page.getByRole("button", { name: "Start" })).toBeEnabled();
    await hasNoFaults(page);
  });
}

test("by the keyboard alone", async ({ page }) => {
  await page.reload();
  await expect(page.locator("#model")).toBeVisible();
  const way = [];
  for (let at = 0; at < 12 && way.at(-1) !== "Skip to the question"; at += 1) {
    await page.keyboard.press("Shift+Tab");
    way.push(await page.evaluate(() => (document.activeElement.getAttribute("aria-label") ?? document.activeElement.innerText).trim()));
  }
  expect(way).toEqual(["What does the text say?", "How many squares are there?", "What color is the shape?", "Settings", "Switch between light and dark", "Live", "Skip to the question"]);
  await page.keyboard.press("Enter");
  await page.keyboard.press("/");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("First line");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("second line");
  await page.keyboard.press("Enter");
  await answered(page);
  await expect(page.locator(".question")).toHaveText("First line\nsecond line".replace(/^/, ""));
  await page.keyboard.press("ArrowUp");
  const editor = page.locator(".turn.user").getByRole("textbox");
  await expect(editor).toBeFocused();
  await page.keyboard.press("Control+a");
  await page.keyboard.type("Changed");
  await page.keyboard.press("Enter");
  await answered(page);
  await expect(page.locator(".question")).toHaveText("Changed");
  await expect(box(page)).toBeFocused();
  await page.keyboard.press("Shift+Tab");
  await expect(lastAnswer(page).getByRole("button", { name: "Retry" })).toBeFocused();
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  expect(outline).toBe("solid");
});

test("the live region gets whole sentences, once @mock", async ({ page }) => {
  await page.evaluate(() => {
    globalThis.said = [];
    new MutationObserver((changes) => changes.forEach((change) => change.addedNodes.forEach((node) => globalThis.said.push(node.textContent))))
      .observe(document.getElementById("announcer"), { childList: true });
  });
  await ask(page, "!long");
  await answered(page);
  await expect.poll(() => page.evaluate(() => globalThis.said.join(" "))).toContain("That is all there is to see.");
  const said = await page.evaluate(() => globalThis.said);
  expect(said.join(" ").match(/harbour in the evening/g)).toHaveLength(1);
  expect(said.join(" ")).not.toContain("evil.example");
  expect(said.length).toBeLessThan(40);
});

test("on a phone nothing is wider than the screen", async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(await overflow()).toBeLessThanOrEqual(0);
  await choose(page, [["a.png", 1600, 900], ["b.png", 400, 900], ["c.png", 2000, 300]]);
  await expect(page.locator(".dock .card")).toHaveCount(3);
  expect(await overflow()).toBeLessThanOrEqual(0);
  await ask(page, "!long");
  await answered(page);
  expect(await overflow()).toBeLessThanOrEqual(0);
  await shot(page, "phone");
  await page.getByRole("button", { name: "Settings" }).click();
  expect(await page.locator("#settings").evaluate((node) => node.scrollWidth - node.clientWidth)).toBeLessThanOrEqual(0);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Live" }).click();
  await expect(page.getByRole("button", { name: "Start" })).toBeEnabled();
  expect(await page.locator("#live").evaluate((node) => node.scrollWidth - node.clientWidth)).toBeLessThanOrEqual(0);
  await shot(page, "phone-live");
});
