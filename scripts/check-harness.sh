#!/usr/bin/env bash
# That a public evaluation harness drives `smolvlm serve`: lmms-eval asks a server of its own, over OpenAI's API, the rows
# of golden/benchmarks that are right, by its own tasks for POPE and AI2D. Each row must have an answer, the one that
# `smolvlm eval --server` gets to the same words, and the scores must be those that the harness' rules give to the answers.
# One line a set; ends with 1 where something is wrong.
#
#     cargo build --release && scripts/check-harness.sh [PROGRAM, target/release/smolvlm unless told]
#
# PYTHON names a Python that has what is installed below already; without it that is put into target/clients/harness, once.
set -euo pipefail
cd "$(dirname "$0")/.."

program=${1-target/release/smolvlm}
[ -x "$program" ] || { echo "$program is not there; cargo build --release makes it" >&2; exit 2; }
if [ -z "${PYTHON-}" ]; then
    PYTHON=target/clients/harness/bin/python
    # What the harness imports to ask a server. It asks for 50 packages, torch among them, and uses none of torch's work
    # here: check_harness.py puts empty modules in its place and in that of accelerate. It reaches into filelock 3.
    harness="lmms-eval==0.7.3"
    needed="openai==3.57.0 datasets==5.2.0 transformers==5.24.0 evaluate==0.4.6 sacrebleu==2.6.0"
    needed="$needed filelock<4 jinja2 loguru numpy packaging pillow pydantic pytablewriter python-dotenv"
    needed="$needed pytz pyyaml tenacity tqdm"
    if [ "$(cat target/clients/harness/pins 2>/dev/null || true)" != "$harness $needed" ]; then
        echo "installing $harness and what it needs into target/clients/harness"
        [ -x $PYTHON ] || python3 -m venv target/clients/harness
        # shellcheck disable=SC2086 # one word a package
        $PYTHON -m pip install --quiet --disable-pip-version-check $needed
        $PYTHON -m pip install --quiet --disable-pip-version-check --no-deps $harness
        echo "$harness $needed" > target/clients/harness/pins
    fi
fi

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill $server 2>/dev/null || true; rm -rf "$work"' EXIT
"$program" serve -m nano --port 0 --log-level warn > "$work/said" 2> "$work/log" &
server=$!
until url=$(sed -n 's/^listening on //p' "$work/said") && [ -n "$url" ]; do
    kill -0 $server 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.2
done

status=0
"$PYTHON" scripts/check_harness.py "$program" "$url" "$work" || status=1
kill $server
wait $server || status=1
server=
if [ -s "$work/log" ]; then
    echo "the server's log:"
    cat "$work/log"
    status=1
fi
exit $status
