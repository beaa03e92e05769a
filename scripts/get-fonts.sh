#!/usr/bin/env bash
# Brings the fonts that drawn text is written with, from Debian's packages, each checked against the SHA-256 kept in
# crates/synth/words/fonts.tsv. Their licences come along, in a folder `licences`. Needs apt-get, dpkg-deb and sha256sum;
# the packages are unpacked, not installed. Files that are there already and right are left alone.
#
#     scripts/get-fonts.sh                  # into data/synth/fonts
#     scripts/get-fonts.sh DIR
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
list=$root/crates/synth/words/fonts.tsv
dir=${1:-$root/data/synth/fonts}

for program in apt-get dpkg-deb sha256sum; do
    if ! command -v "$program" >/dev/null; then
        echo "get-fonts: $program is missing: the fonts come in Debian packages, so Debian or Ubuntu is needed" >&2
        exit 1
    fi
done

# Whether a file has the hash it should have.
right() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]; }

mkdir -p "$dir/licences"
dir=$(cd "$dir" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt-get downloads as a user of its own

# Unpacks a package into a folder of its name, once.
unpack() {
    local package=$1
    [ -d "$work/$package" ] && return
    echo "get-fonts: $package" >&2
    if ! (cd "$work" && apt-get download -qq "$package" >"$work/log" 2>&1); then
        cat "$work/log" >&2
        echo "get-fonts: package $package cannot be had; 'apt-get update' first, if its list was never read" >&2
        return 1
    fi
    dpkg-deb -x "$work/$package"_*.deb "$work/$package"
    cp "$work/$package/usr/share/doc/$package/copyright" "$dir/licences/$package.txt"
}

there=0 brought=0 wrong=0
while IFS=$'\t' read -r split name _licence package version path hash; do
    case $split in '#'* | '') continue ;; esac
    file=$(basename "$path")
    if right "$dir/$file" "$hash"; then
        there=$((there + 1))
        continue
    fi
    unpack "$package" || exit 1
    from=$work/$package/$path
    if [ ! -f "$from" ]; then # another version may keep it elsewhere
        from=$(find "$work/$package" -name "$file" -type f | sort | head -n 1)
    fi
    if [ -z "$from" ] || ! right "$from" "$hash"; then
        has=$(basename "$work/$package"_*.deb | cut -d_ -f2)
        echo "get-fonts: $name: $package $has does not hold the $file that is pinned (SHA-256 $hash, as in $version)" >&2
        wrong=$((wrong + 1))
        continue
    fi
    cp "$from" "$dir/.$file.part"
    mv "$dir/.$file.part" "$dir/$file"
    brought=$((brought + 1))
done <"$list"

echo "get-fonts: $brought brought, $there there already, $wrong wrong, in $dir" >&2
if [ "$wrong" -gt 0 ]; then
    echo "get-fonts: with other fonts the stream is another one: take the packages of the versions named, or pin new hashes in $list" >&2
    exit 1
fi
