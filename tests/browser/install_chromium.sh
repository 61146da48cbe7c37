#!/bin/sh
# Brings the Chromium that the browser tests drive, where that can be done without asking anybody: as root, with apt-get.
# Ends with 0 in every case: where there is none, the browser tests themselves fail and say so.

for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
    if [ -n "$name" ] && command -v "$name" >/dev/null 2>&1; then
        exit 0
    fi
done

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "No Chromium found: installing Debian's for the browser tests." >&2
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    if apt-get update >&2 && apt-get install -y --no-install-recommends chromium >&2; then
        exit 0
    fi
fi

echo "No Chromium found. The browser tests need one: install the package “chromium” (or “chromium-browser”, or Google Chrome)," >&2
echo "or set CHROMIUM to its program, and run the tests again." >&2
exit 0
