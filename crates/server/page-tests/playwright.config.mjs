// SMOLVLM_URL names a server to test against; without it the mock is started. CHROMIUM is the browser's path.
import { defineConfig } from "@playwright/test";

const url = process.env.SMOLVLM_URL;
const PORT = 8091;

export default defineConfig({
  testDir: "tests",
  outputDir: "test-results",
  workers: 1,
  timeout: 30_000,
  expect: { timeout: 8_000 },
  forbidOnly: Boolean(process.env.CI),
  reporter: [["list"]],
  // What only the mock does is not asked of a real server.
  grepInvert: url ? /@mock/ : undefined,
  use: {
    baseURL: url ?? `http://127.0.0.1:${PORT}`,
    viewport: { width: 1280, height: 860 },
    permissions: ["camera", "clipboard-read", "clipboard-write"],
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
    },
  },
  webServer: url ? undefined : {
    command: "node mock/server.mjs",
    env: { PORT: String(PORT) },
    url: `http://127.0.0.1:${PORT}/health`,
    reuseExistingServer: false,
  },
});
