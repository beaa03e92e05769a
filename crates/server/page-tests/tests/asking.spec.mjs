// Asking: sending, streaming, stopping, trying again, changing a question, copying, clearing.
import { answered, answers, ask, box, chats, choose, expect, lastAnswer, shot, test } from "./page.mjs";

test("greets with pictures to try", async ({ page }) => {
  await expect(page.getByRole("heading", { name: "Ask about a picture." })).toBeVisible();
  const bodies = chats(page);
  await page.getByRole("button", { name: "What color is the shape?" }).click();
  await answered(page);
  await expect(lastAnswer(page)).toHaveClass(/done/);
  await expect(page.locator("#greeting")).toBeHidden();
  const [message] = bodies[0].messages;
  expect(message.content.map((part) => part.type)).toEqual(["image_url", "text"]);
  expect(message.content[0].image_url.url).toMatch(/^data:image\/png;base64,/);
  await shot(page, "asked");
});

test("sends a question and shows the answer with its speeds", async ({ page }) => {
  const bodies = chats(page);
  await ask(page, "What is this?");
  await answered(page);
  await expect(lastAnswer(page)).toHaveClass(/done/);
  expect((await lastAnswer(page).locator(".text").innerText()).trim()).not.toBe("");
  await expect(lastAnswer(page).locator(".speeds")).toContainText("to first token");
  await expect(lastAnswer(page).locator(".speeds")).toContainText("in the prompt");
  await expect(box(page)).toHaveValue("");
  await expect(box(page)).toBeFocused();
  expect(bodies[0]).toMatchObject({ stream: true, stream_options: { include_usage: true }, messages: [{ role: "user", content: "What is this?" }] });
  expect(bodies[0].temperature).toBeUndefined();
});

test("a finished answer is read to its end", async ({ page }) => {
  const finished = page.waitForEvent("requestfinished", (request) => request.url().endsWith("/v1/chat/completions"));
  await ask(page, "Hello");
  await finished;
});

test("a second question carries the first and its answer", async ({ page }) => {
  const bodies = chats(page);
  await ask(page, "One?");
  await answered(page);
  const said = (await lastAnswer(page).locator(".text").innerText()).trim();
  await ask(page, "Two?");
  await expect(answers(page)).toHaveCount(2);
  await answered(page);
  expect(bodies[1].messages.map((message) => message.role)).toEqual(["user", "assistant", "user"]);
  expect(bodies[1].messages[1].content.trim()).toBe(said);
});

test("an answer grows as it comes, and stops where it is told to @mock", async ({ page }) => {
  await ask(page, "!slow");
  const text = lastAnswer(page).locator(".text");
  await expect(text).toContainText("One word comes");
  const early = (await text.innerText()).length;
  await expect.poll(async () => (await text.innerText()).length).toBeGreaterThan(early + 20);
  await expect(lastAnswer(page)).toHaveClass(/streaming/);
  await shot(page, "streaming");
  await page.getByRole("button", { name: "Stop" }).click();
  await expect(lastAnswer(page)).toHaveClass(/stopped/);
  await expect(lastAnswer(page)).toContainText("Stopped here.");
  const stopped = await text.innerText();
  await page.waitForTimeout(300);
  expect(await text.innerText()).toBe(stopped);
  await expect(page.getByRole("button", { name: "Send", exact: true })).toBeVisible();
});

test("while an answer is made, Enter sends nothing and Escape stops @mock", async ({ page }) => {
  await ask(page, "!slow");
  await expect(lastAnswer(page)).toHaveClass(/streaming/);
  await ask(page, "and this?");
  await expect(answers(page)).toHaveCount(1);
  await expect(box(page)).toHaveValue("and this?");
  await page.keyboard.press("Escape");
  await expect(lastAnswer(page)).toHaveClass(/stopped/);
});

test("an answer is made again", async ({ page }) => {
  const bodies = chats(page);
  await ask(page, "Again?");
  await answered(page);
  await lastAnswer(page).getByRole("button", { name: "Retry" }).click();
  await answered(page);
  await expect(answers(page)).toHaveCount(1);
  expect(bodies).toHaveLength(2);
  expect(bodies[1].messages).toEqual(bodies[0].messages);
});

test("a sent question is changed, with its pictures, and what followed is gone", async ({ page }) => {
  const bodies = chats(page);
  await choose(page, [["a.png", 40, 30], ["b.png", 30, 40]]);
  await expect(page.locator(".dock .card")).toHaveCount(2);
  await ask(page, "First?");
  await answered(page);
  await ask(page, "Second?");
  await expect(answers(page)).toHaveCount(2);
  await answered(page);
  const first = page.locator(".turn.user").first();
  await first.getByRole("button", { name: "Edit" }).click();
  await expect(first.getByRole("textbox")).toBeFocused();
  await shot(page, "changing");
  await first.getByRole("button", { name: "Remove a.png" }).click();
  await first.getByRole("textbox").fill("Changed?");
  await first.getByRole("button", { name: "Send the changed question" }).click();
  await expect(answers(page)).toHaveCount(1);
  await answered(page);
  await expect(page.locator(".turn.user")).toHaveCount(1);
  expect(bodies[2].messages).toHaveLength(1);
  expect(bodies[2].messages[0].content).toHaveLength(2);
  expect(bodies[2].messages[0].content[1].text).toBe("Changed?");
});

test("a change that is not wanted is left", async ({ page }) => {
  await ask(page, "Keep me");
  await answered(page);
  const turn = page.locator(".turn.user");
  await turn.getByRole("button", { name: "Edit" }).click();
  await turn.getByRole("textbox").fill("no");
  await turn.getByRole("textbox").press("Escape");
  await expect(turn.locator(".question")).toHaveText("Keep me");
  await expect(turn.getByRole("button", { name: "Edit" })).toBeFocused();
});

test("copies an answer as it was written", async ({ page }) => {
  await ask(page, "Copy me");
  await answered(page);
  await lastAnswer(page).getByRole("button", { name: "Copy" }).click();
  await expect(lastAnswer(page).getByText("Copied")).toBeVisible();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied.trim().replaceAll(/\s+/g, " ")).toBe((await lastAnswer(page).locator(".text").innerText()).trim().replaceAll(/\s+/g, " "));
});

test("clears the conversation, and has it back", async ({ page }) => {
  await ask(page, "Forget me");
  await answered(page);
  await page.getByRole("button", { name: "New" }).click();
  await expect(page.locator(".turn")).toHaveCount(0);
  await expect(page.locator("#greeting")).toBeVisible();
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(page.locator(".turn")).toHaveCount(2);
  await ask(page, "Go on");
  await expect(answers(page)).toHaveCount(2);
  await answered(page);
});

test("an answer that is cut or empty says so @mock", async ({ page }) => {
  await ask(page, "!short");
  await answered(page);
  await expect(lastAnswer(page)).toContainText("Cut: the longest answer is reached.");
  await ask(page, "!silent");
  await expect(answers(page)).toHaveCount(2);
  await answered(page);
  await expect(lastAnswer(page)).toContainText("The model said nothing.");
});

test("follows a long answer, but not a person who reads further up @mock", async ({ page }) => {
  for (const at of [1, 2]) {
    await ask(page, "!long");
    await expect(answers(page)).toHaveCount(at);
    await answered(page);
  }
  const atEnd = () => page.evaluate(() => innerHeight + scrollY >= document.documentElement.scrollHeight - 2);
  await expect.poll(atEnd).toBe(true);
  await page.mouse.move(600, 300);
  await ask(page, "!slow");
  await page.mouse.wheel(0, -900);
  await expect(page.getByRole("button", { name: "Latest" })).toBeVisible();
  const top = await page.evaluate(() => scrollY);
  await page.waitForTimeout(500);
  expect(await page.evaluate(() => scrollY)).toBe(top);
  await page.getByRole("button", { name: "Latest" }).click();
  await expect.poll(atEnd).toBe(true);
  await page.keyboard.press("Escape");
});
