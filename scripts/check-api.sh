#!/bin/sh
# Runs schemathesis against a `smolvlm serve` of its own: requests made from its description (/openapi.json), right ones and
# wrong ones. No answer may be a server's error, or have a status, headers or a body that the description does not know;
# what the description forbids must be refused; a refused key must be refused everywhere.
#
#     cargo build --release && scripts/check-api.sh [EXAMPLES, 20 an endpoint unless told]
#
# SMOLVLM names another program than target/release/smolvlm, SCHEMATHESIS a schemathesis that is there already; without it
# one is installed into target/schemathesis. Needs Python with venv.
set -eu
cd "$(dirname "$0")/.."

program=${SMOLVLM:-target/release/smolvlm}
[ -x "$program" ] || { echo "$program is not there; cargo build --release makes it" >&2; exit 2; }
if [ -z "${SCHEMATHESIS-}" ]; then
    SCHEMATHESIS=target/schemathesis/bin/schemathesis
    pin=schemathesis==4.32.5
    if [ "$(cat target/schemathesis/pin 2>/dev/null || true)" != $pin ]; then
        echo "installing $pin into target/schemathesis"
        python3 -m venv target/schemathesis
        target/schemathesis/bin/python -m pip install --quiet --disable-pip-version-check $pin
        echo $pin > target/schemathesis/pin
    fi
fi

work=$(mktemp -d)
# Long answers would take the time that requests are to have.
SMOLVLM_API_KEY=a-key "$program" serve --port 0 --max-tokens 16 --log-level error > "$work/said" 2> "$work/log" &
server=$!
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT
until url=$(sed -n 's/^listening on //p' "$work/said") && [ -n "$url" ]; do
    kill -0 $server 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.2
done

# A request may fit the description and still show a picture that is none: refusing it is right.
status=0
"$SCHEMATHESIS" run "$url/openapi.json" --header "Authorization: Bearer a-key" --seed 1 --max-examples "${1-20}" \
    --exclude-checks positive_data_acceptance --no-color || status=$?
kill $server
wait $server || status=1
if [ -s "$work/log" ]; then
    echo "the server's log:"
    cat "$work/log"
    status=1
fi
exit $status
