// The Markdown of answers: what it becomes, and what it never becomes.
import { answered, ask, expect, lastAnswer, shot, test } from "./page.mjs";

/** The markup that `text` becomes. */
const shown = (page, text) => page.evaluate(async (text) => {
  const { renderMarkdown } = await import("./markdown.js");
  const node = document.createElement("div");
  renderMarkdown(node, text);
  for (const button of node.querySelectorAll("figcaption")) button.remove();
  for (const each of node.querySelectorAll("*")) for (const name of ["class", "tabindex", "aria-label", "role", "scope", "rel", "target"]) each.removeAttribute(name);
  return node.innerHTML;
}, text);

const CASES = [
  ["one\ntwo\n\nthree", "<p>one<br>two</p><p>three</p>"],
  ["**b** *i* `c` ~~s~~ ***bi***", "<p><strong>b</strong> <em>i</em> <code>c</code> <s>s</s> <strong><em>bi</em></strong></p>"],
  ["2 * 3 * 4 and snake_case_name", "<p>2 * 3 * 4 and snake_case_name</p>"],
  ["**open", "<p>**open</p>"],
  ["\\*not\\*", "<p>*not*</p>"],
  ["# A\n## B ##", "<h3>A</h3><h4>B</h4>"],
  ["### A\n# B", "<h3>A</h3><h3>B</h3>"],
  ["- a\n- b\n  - c\n- d", "<ul><li>a</li><li>b<ul><li>c</li></ul></li><li>d</li></ul>"],
  ["3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'],
  ["- a\n\n- b", "<ul><li><p>a</p></li><li>b</li></ul>"],
  ["text\n- a", "<p>text</p><ul><li>a</li></ul>"],
  ["> q\n> r", "<blockquote><p>q<br>r</p></blockquote>"],
  ["---", "<hr>"],
  ["```rust\nfn a() {}\n```\nafter", "<figure><pre><code>fn a() {}</code></pre></figure><p>after</p>"],
  ["```\nnot closed", "<figure><pre><code>not closed</code></pre></figure>"],
  ["| a | b |\n|---|--:|\n| 1 | 2 |\n| 3 |", "<div><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr><tr><td>3</td><td></td></tr></tbody></table></div>"],
  ["a | b\nnot a table", "<p>a | b<br>not a table</p>"],
  ["[x](https://a.example/b)", '<p><a href="https://a.example/b">x</a></p>'],
  ["see https://a.example/b.", '<p>see <a href="https://a.example/b">https://a.example/b</a>.</p>'],
  ["[x](javascript:alert(1)) [y](data:text/html,x)", "<p>[x](javascript:alert(1)) [y](data:text/html,x)</p>"],
  ["![pic](https://a.example/x.png)", '<p><a href="https://a.example/x.png">pic</a></p>'],
  ["<b>x</b><script>alert(1)</script>", "<p>&lt;b&gt;x&lt;/b&gt;&lt;script&gt;alert(1)&lt;/script&gt;</p>"],
  ["", ""],
];

test("every form becomes what it should", async ({ page }) => {
  for (const [text, markup] of CASES) expect.soft(await shown(page, text), text).toBe(markup);
});

test("whatever is written, it is drawn, and quickly", async ({ page }) => {
  const slowest = await page.evaluate(async () => {
    const { renderMarkdown } = await import("./markdown.js");
    const signs = ["*", "_", "`", "[", "](", "**a", "- ", "> ", "| a ", "\n\n", "~~~", "1. ", "![", "<", "\\", "# ", "_a *b ", "| - ", "    - ", "http://"];
    let most = 0;
    let seed = 1;
    const random = (n) => (seed = (seed * 48271) % 2147483647) % n;
    const texts = signs.map((sign) => sign.repeat(20_000 / sign.length));
    for (let at = 0; at < 300; at += 1) texts.push(Array.from({ length: 60 }, () => [...signs, "word", " ", "\n"][random(signs.length + 3)]).join(""));
    for (const text of texts) {
      const started = performance.now();
      renderMarkdown(document.createElement("div"), text);
      most = Math.max(most, performance.now() - started);
    }
    return most;
  });
  expect(slowest).toBeLessThan(3000);
});

test("a growing text keeps the blocks that are finished", async ({ page }) => {
  const kept = await page.evaluate(async () => {
    const { renderMarkdown } = await import("./markdown.js");
    const node = document.createElement("div");
    renderMarkdown(node, "one\n\ntw");
    const [first, second] = node.children;
    renderMarkdown(node, "one\n\ntwo\n\nthree");
    return [node.children[0] === first, node.children[1] === second, node.textContent];
  });
  expect(kept).toEqual([true, false, "onetwothree"]);
});

test("a long answer with everything in it @mock", async ({ page }) => {
  await ask(page, "!long");
  await answered(page);
  const text = lastAnswer(page).locator(".text");
  await expect(text.getByRole("table")).toBeVisible();
  await expect(text.locator("img, script, b")).toHaveCount(0);
  await expect(text.getByRole("link", { name: "the chart" })).toHaveAttribute("rel", /noopener/);
  await text.getByRole("button", { name: "Copy this code" }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toContain("def count(things):");
  await shot(page, "long");
});
