// Live mode, before Chromium's own camera: a green picture with a clock in it.
import { chats, expect, shot, test } from "./page.mjs";

const CHAT = "**/v1/chat/completions";
const dialog = (page) => page.getByRole("dialog", { name: "Live camera" });
const number = async (page, id) => Number((await page.locator(id).innerText()).replaceAll(",", ""));

async function open(page) {
  await page.getByRole("button", { name: "Live" }).click();
  await expect(dialog(page).getByRole("button", { name: "Start" })).toBeEnabled();
}

test("asks about the newest frame again and again, one at a time", async ({ page }) => {
  const bodies = chats(page);
  let under = 0;
  let most = 0;
  await page.route(CHAT, async (route) => {
    under += 1;
    most = Math.max(most, under);
    await new Promise((done) => setTimeout(done, 150));
    await route.fallback();
  });
  for (const end of ["requestfinished", "requestfailed"]) {
    page.on(end, (request) => { if (request.url().endsWith("completions")) under -= 1; });
  }
  await open(page);
  await dialog(page).getByLabel("Question").fill("Which colour?");
  await dialog(page).getByLabel("Question").blur();
  await dialog(page).getByRole("button", { name: "Start" }).click();
  await expect.poll(() => number(page, "#live-answered"), { timeout: 20_000 }).toBeGreaterThan(2);
  expect(await number(page, "#live-dropped")).toBeGreaterThan(2);
  await expect(page.locator("#live-latency")).toHaveText(/\d+ ms|\d\.\d s/);
  await expect(page.locator("#live-rate")).not.toHaveText("–");
  await expect(page.locator("#live-log li").first()).toBeVisible();
  await shot(page, "live");
  await dialog(page).getByRole("button", { name: "Stop" }).click();
  const asked = bodies.length;
  await page.waitForTimeout(400);
  expect(bodies.length).toBe(asked);
  expect(most).toBe(1);
  const urls = bodies.map((body) => body.messages[0].content[0].image_url.url);
  expect(urls[0]).toMatch(/^data:image\/jpeg/);
  expect(new Set(urls).size).toBe(urls.length);
  expect(bodies[0].messages[0].content[1].text).toBe("Which colour?");
  expect(bodies[0]).toMatchObject({ max_tokens: 32, temperature: 0 });
  expect(bodies[0].max_edge).toBeLessThanOrEqual(512);
});

test("the camera is let go when live mode is left, and its fields are kept", async ({ page }) => {
  await open(page);
  await dialog(page).getByLabel("Most tokens").fill("12");
  await dialog(page).getByLabel("Pause").selectOption("1000");
  await page.keyboard.press("Escape");
  await expect(dialog(page)).toBeHidden();
  expect(await page.evaluate(() => document.querySelector("#live video").srcObject)).toBe(null);
  await page.reload();
  await open(page);
  await expect(dialog(page).getByLabel("Most tokens")).toHaveValue("12");
  await expect(dialog(page).getByLabel("Pause")).toHaveValue("1000");
});

test("longest edges are offered as far as the model's own @mock", async ({ page }) => {
  const offered = async () => {
    await open(page);
    const edges = await dialog(page).getByLabel("Longest edge").locator("option").allInnerTexts();
    const chosen = await dialog(page).getByLabel("Longest edge").inputValue();
    await page.keyboard.press("Escape");
    return [edges, chosen];
  };
  expect(await offered()).toEqual([["224", "384", "512", "768", "1,024"], "512"]);
  const large = await (await page.request.get("props")).json();
  for (const [most, edges, chosen] of [[96, ["96"], "96"], [400, ["224", "384", "400"], "400"]]) {
    const props = { ...large, pictures: { ...large.pictures, longest_edge: most } };
    await page.route("**/props", (route) => route.fulfill({ json: props }));
    await page.reload();
    expect(await offered()).toEqual([edges, chosen]);
    await page.unroute("**/props");
  }
});

test("a busy server is waited for, a refusal ends it", async ({ page }) => {
  let status = 503;
  const says = { 503: "64 requests wait already", 400: "this model sees nothing" };
  await page.route(CHAT, (route) => {
    if (!status) return route.fallback();
    return route.fulfill({ status, headers: { "retry-after": "0.2" }, contentType: "application/json", body: JSON.stringify({ error: { message: says[status] } }) });
  });
  await open(page);
  await dialog(page).getByRole("button", { name: "Start" }).click();
  await expect(page.locator("#live-error")).toHaveText("64 requests wait already");
  status = 0;
  await expect.poll(() => number(page, "#live-answered"), { timeout: 20_000 }).toBeGreaterThan(0);
  await expect(page.locator("#live-error")).toBeHidden();
  status = 400;
  await expect(page.locator("#live-error")).toContainText("this model sees nothing");
  await expect(dialog(page).getByRole("button", { name: "Start" })).toBeVisible();
  status = 0;
  await dialog(page).getByRole("button", { name: "Try again" }).click();
  await expect.poll(() => number(page, "#live-answered"), { timeout: 20_000 }).toBeGreaterThan(0);
});

test("a camera that is not allowed is said in place", async ({ page }) => {
  await page.evaluate(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"));
  });
  await page.getByRole("button", { name: "Live" }).click();
  await expect(dialog(page)).toContainText("The camera is not allowed for this page.");
  await expect(dialog(page).getByRole("button", { name: "Start" })).toBeDisabled();
});

test("the course drops what comes while it is busy", async ({ page }) => {
  const seen = await page.evaluate(async () => {
    const { LiveLoop } = await import("./live.js");
    const gates = [];
    const log = [];
    const loop = new LiveLoop({
      ask: () => new Promise((done, fail) => gates.push({ done, fail })),
      pause: () => 100,
      onanswer: (answer) => log.push(answer),
      onerror: (error, goesOn) => log.push(`${error.message} ${goesOn}`),
    });
    const tick = () => new Promise((done) => setTimeout(done));
    loop.frame();
    const idle = loop.dropped + gates.length;
    loop.start();
    for (let at = 0; at < 5; at += 1) loop.frame();
    const first = [gates.length, loop.dropped];
    gates[0].done("one");
    await tick();
    loop.frame();
    const paused = [gates.length, loop.dropped];
    loop.frame(performance.now() + 200);
    gates[1].fail(Object.assign(new Error("busy"), { status: 503, retryAfter: 0 }));
    await tick();
    loop.frame(performance.now() + 10);
    gates[2].fail(new Error("gone"));
    await tick();
    return { idle, first, paused, gates: gates.length, log, running: loop.running };
  });
  expect(seen).toEqual({ idle: 0, first: [1, 4], paused: [1, 5], gates: 3, log: ["one", "busy true", "gone false"], running: false });
});
