// Settings: kept, sent, put back; light and dark.
import { answered, ask, chats, expect, lastAnswer, shot, test } from "./page.mjs";

const open = (page) => page.getByRole("button", { name: "Settings" }).click();
const done = (page) => page.getByRole("button", { name: "Done" }).click();

test("settings are sent, and are still there after a reload", async ({ page }) => {
  await open(page);
  await page.getByLabel("Temperature").fill("0.3");
  await page.getByLabel("Most tokens of an answer").fill("7");
  await page.getByLabel("System prompt").fill("Be brief.");
  await done(page);
  await page.reload();
  const bodies = chats(page);
  await ask(page, "Hello");
  await answered(page);
  await expect(lastAnswer(page)).toHaveClass(/done/);
  expect(bodies[0]).toMatchObject({ temperature: 0.3, max_tokens: 7 });
  expect(bodies[0].messages[0]).toEqual({ role: "system", content: "Be brief." });
  await open(page);
  await expect(page.getByLabel("Temperature")).toHaveValue("0.3");
  await page.getByRole("button", { name: "Back to the defaults" }).click();
  await expect(page.getByLabel("Temperature")).toHaveValue("");
  await done(page);
  await ask(page, "Again");
  await expect.poll(() => bodies.length).toBe(2);
  expect(bodies[1].temperature).toBeUndefined();
});

test("empty fields show what the server has @mock", async ({ page }) => {
  await open(page);
  await expect(page.getByLabel("Temperature")).toHaveAttribute("placeholder", "0");
  await expect(page.getByLabel("Most tokens of an answer")).toHaveAttribute("placeholder", "1024");
  await expect(page.getByLabel("Longest edge of pictures")).toHaveAttribute("placeholder", "2048");
});

test("a number that cannot be is not taken", async ({ page }) => {
  await open(page);
  await page.getByLabel("Temperature").fill("9");
  await page.getByLabel("System prompt").focus();
  await expect(page.getByLabel("Temperature")).toHaveValue("");
});

test("an answer in JSON is shown as it came @mock", async ({ page }) => {
  await open(page);
  await page.getByRole("radio", { name: "JSON object" }).check();
  await done(page);
  await ask(page, "Describe it");
  await answered(page);
  await expect(lastAnswer(page)).toHaveClass(/done/);
  expect(JSON.parse(await lastAnswer(page).locator("code").innerText())).toEqual({ description: "a red circle", count: 1 });
});

test("answers are asked for as JSON", async ({ page }) => {
  const bodies = chats(page);
  await open(page);
  // A small model may count for ever.
  await page.getByLabel("Most tokens of an answer").fill("40");
  await page.getByRole("radio", { name: "JSON object" }).check();
  await done(page);
  await ask(page, "Describe it");
  await answered(page);
  expect(bodies[0].response_format).toEqual({ type: "json_object" });
  await expect(lastAnswer(page).locator(".code figcaption")).toContainText("json");
});

test("a schema is sent, once it is JSON", async ({ page }) => {
  const bodies = chats(page);
  await open(page);
  // A small model may count for ever.
  await page.getByLabel("Most tokens of an answer").fill("40");
  await page.getByRole("radio", { name: "JSON schema" }).check();
  const schema = page.getByLabel("Schema", { exact: true });
  await schema.fill('{"type": ');
  await expect(page.getByRole("alert").filter({ hasText: "This is not JSON yet" })).toBeVisible();
  await schema.fill('{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}');
  await expect(page.locator("#schema-error")).toBeEmpty();
  await shot(page, "settings");
  await done(page);
  await ask(page, "Count");
  await expect.poll(() => bodies.length).toBe(1);
  expect(bodies[0].response_format).toMatchObject({ type: "json_schema", json_schema: { name: "answer", schema: { type: "object", required: ["n"] } } });
  await answered(page);
});

test("light and dark follow the system until they are chosen", async ({ page }) => {
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  await page.emulateMedia({ colorScheme: "light" });
  const light = await ground();
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await ground();
  expect(dark).not.toBe(light);
  await page.getByRole("button", { name: "Switch between light and dark" }).click();
  expect(await ground()).toBe(light);
  await page.reload();
  expect(await ground()).toBe(light);
  await open(page);
  await page.getByRole("radio", { name: "As the system" }).check();
  expect(await ground()).toBe(dark);
});

test("what others have stored does no harm", async ({ page }) => {
  await page.evaluate(() => localStorage.setItem("smolvlm.settings", '{"temperature":"x","theme":"dark","nonsense":[1],"system":5}'));
  await page.reload();
  await open(page);
  await expect(page.getByLabel("Temperature")).toHaveValue("");
  await expect(page.getByRole("radio", { name: "Dark" })).toBeChecked();
  await page.evaluate(() => localStorage.setItem("smolvlm.settings", "not json"));
  await page.reload();
  await expect(page.locator("#model")).toBeVisible();
});
