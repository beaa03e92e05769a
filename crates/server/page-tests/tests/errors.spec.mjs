// What goes wrong is said in the server's words, where it went wrong, with a way on.
import { answered, answers, ask, choose, expect, lastAnswer, shot, test } from "./page.mjs";

const CHAT = "**/v1/chat/completions";
const refusal = (status, message, headers = {}) => ({ status, headers, contentType: "application/json", body: JSON.stringify({ error: { message, type: "x", code: null, param: null } }) });
const failure = (page) => lastAnswer(page).locator(".failure");

test("a server that wants a key gets a field for it", async ({ page }) => {
  const keys = [];
  await page.route(CHAT, (route) => {
    const key = route.request().headers().authorization;
    keys.push(key);
    return key === "Bearer right" ? route.continue({ headers: { ...route.request().headers(), authorization: "" } }) : route.fulfill(refusal(401, "this server asks for a key"));
  });
  await ask(page, "Let me in");
  await answered(page);
  await expect(failure(page)).toContainText("this server asks for a key");
  await shot(page, "key");
  await failure(page).getByLabel("API key").fill("right");
  await failure(page).getByRole("button", { name: "Use this key" }).click();
  await expect(lastAnswer(page)).toHaveClass(/done/);
  await expect(answers(page)).toHaveCount(1);
  expect(keys).toEqual([undefined, "Bearer right"]);
  await page.getByRole("button", { name: "Settings" }).click();
  await expect(page.getByLabel("API key")).toHaveValue("right");
  expect(await page.evaluate(() => JSON.stringify(localStorage))).not.toContain("right");
});

test("a key that is wanted at once is asked for at once", async ({ page }) => {
  await page.route("**/v1/models", (route) => (route.request().headers().authorization === "Bearer k" ? route.fallback() : route.fulfill(refusal(401, "a key, please"))));
  await page.reload();
  const notice = page.locator("#notice");
  await expect(notice).toContainText("a key, please");
  await notice.getByLabel("API key").fill("k");
  await notice.getByLabel("API key").press("Enter");
  await expect(notice).toBeEmpty();
  await expect(page.locator("#model")).toBeVisible();
});

test("a busy server is tried again", async ({ page }) => {
  let busy = true;
  await page.route(CHAT, (route) => (busy ? route.fulfill(refusal(503, "64 requests wait already", { "retry-after": "1" })) : route.fallback()));
  await ask(page, "Now?");
  await answered(page);
  await expect(failure(page)).toHaveText(/64 requests wait already/);
  busy = false;
  await failure(page).getByRole("button", { name: "Try again" }).click();
  await expect(lastAnswer(page)).toHaveClass(/done/);
  await expect(answers(page)).toHaveCount(1);
});

test("what is wrong with a request is said", async ({ page }) => {
  await page.route(CHAT, (route) => route.fulfill(refusal(400, "'temperature' is 9; a number from 0 to 2 would be right")));
  await ask(page, "Hot");
  await answered(page);
  await expect(failure(page)).toContainText("'temperature' is 9; a number from 0 to 2 would be right");
});

test("an error in the middle keeps what was said @mock", async ({ page }) => {
  await ask(page, "!error");
  await answered(page);
  await expect(lastAnswer(page).locator(".text")).toHaveText("This answer begins and then");
  await expect(failure(page)).toContainText("there is not memory enough");
  await shot(page, "error");
});

test("a connection that breaks is told from an answer that ends @mock", async ({ page }) => {
  await ask(page, "!break");
  await answered(page);
  await expect(lastAnswer(page)).toHaveClass(/failed/);
  await expect(lastAnswer(page).locator(".text")).toHaveText(/^This answer/);
  await expect(failure(page)).toContainText(/connection (broke|ended) before the answer was complete/);
});

test("a network that is gone is said, and the question is asked again when it is back", async ({ page, context }) => {
  await context.setOffline(true);
  await ask(page, "Anybody?");
  await answered(page);
  await expect(failure(page)).toContainText("The server cannot be reached.");
  await context.setOffline(false);
  await failure(page).getByRole("button", { name: "Try again" }).click();
  await expect(lastAnswer(page)).toHaveClass(/done/);
});

test("an answer that is a page of some other server is not shown as words", async ({ page }) => {
  await page.route(CHAT, (route) => route.fulfill({ status: 502, contentType: "text/html", body: "<html><h1>Bad gateway</h1></html>" }));
  await ask(page, "Hello");
  await answered(page);
  await expect(failure(page)).toContainText("The server answered 502");
});

test("a picture that the server refuses says so on its card", async ({ page }) => {
  await page.route("**/v1/plan", (route) => route.fulfill(refusal(400, "the picture is too thin")));
  await choose(page, [["thin.png", 3000, 2]]);
  await expect(page.locator(".dock .card .wrong")).toHaveText("the picture is too thin");
});

test("a request that the server would break off is not sent", async ({ page }) => {
  await page.route("**/props", async (route) => route.fulfill({ json: { ...(await (await route.fetch()).json()), limits: { body_bytes: 2000 } } }));
  await page.reload();
  await expect(page.locator("#model")).toBeVisible();
  await ask(page, "x".repeat(3000));
  await answered(page);
  await expect(failure(page)).toContainText("the server takes 2 kB at most");
});

test("a server without plans is asked all the same", async ({ page }) => {
  await page.route("**/v1/plan", (route) => route.fulfill(refusal(404, "nothing is here")));
  await choose(page, [["a.png", 40, 30]]);
  await expect(page.locator(".dock .card p")).toHaveText("40×30");
  await ask(page, "Go");
  await answered(page);
  await expect(lastAnswer(page)).toHaveClass(/done/);
});
