#!/bin/sh
# The web page's tests, in Chromium: before a mock server, or before the one that SMOLVLM_URL names.
#
#   scripts/check-page.sh                     all tests
#   scripts/check-page.sh tests/live.spec.mjs -g newest
#   SMOLVLM_URL=http://127.0.0.1:8080 scripts/check-page.sh
#
# Needs Node 18 or later with npm, and Chromium (Debian: apt-get install chromium nodejs npm); CHROMIUM names its program.
set -eu
cd "$(dirname "$0")/../crates/server/page-tests"

missing=
for program in node npm; do command -v "$program" >/dev/null || missing="$missing $program"; done
CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -n "$CHROMIUM" ] || missing="$missing chromium"
if [ -n "$missing" ]; then
    echo "not found:$missing (Debian: apt-get install chromium nodejs npm)" >&2
    exit 1
fi
export CHROMIUM

# The lock file's versions, and no browser of Playwright's own.
if [ ! -d node_modules ] || [ package-lock.json -nt node_modules ]; then
    PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund
    touch node_modules
fi
exec node_modules/.bin/playwright test "$@"
