#!/usr/bin/env bash
# Brings the drawings of things, from npm packages of icons, each checked against the SHA-256 kept here, and the fonts that
# text is written with (scripts/get-fonts.sh). What is there already and right is left alone. Needs npm, tar and sha256sum,
# and what get-fonts.sh needs. Licences: crates/synth/words/CREDITS.md.
#
#     scripts/get-drawings.sh                  # into data/synth
#     scripts/get-drawings.sh DIR
#     FROM=FOLDER scripts/get-drawings.sh      # packages that were packed before: FOLDER/iconify-json-NAME-VERSION.tgz
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
dir=${1:-$root/data/synth}
from=${FROM:-}

# Name, version, SHA-256 of the package and of the icons.json in it.
packages=(
    "noto              1.2.9  3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad 9eac6ef4e7ec122b6f0e7ac281d61008afdbc720d0ce861e398b939daaa347c6"
    "noto-v1           1.2.5  2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37 ce70d8aa90345cf389875c3571ecd245bd943401822a0c5a0f62336bf8487333"
    "twemoji           1.2.5  19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7 5d5d820790565b764f2728675d487c9ee4c1fc83916d8567d5aca8ba7527c242"
    "fluent-emoji-flat 1.2.6  7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175 f5f4cf457c0db2ad5a2e42e033e02e0c87d10e43d0164cfffb3bb84914970a63"
    "emojione          1.2.3  26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e e9a865faed523a7c3535b5319ae533d09fac1a62b4e96920eb178bb60e707e80"
    "openmoji          1.2.29 03181e2c156cab35cf4a62f1f7886bd971d59212e75ac3f189d5a4cae3930fc5 7075331faab544067dbff4236471dd378bb5410aa05799a8a343c9ebf5c5984c"
)

say() { echo "get-drawings: $*" >&2; }

# Whether a file has the hash it should have.
right() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]; }

needed=(tar sha256sum)
[ -n "$from" ] || needed+=(npm)
for program in "${needed[@]}"; do
    if ! command -v "$program" >/dev/null; then
        say "$program is missing; the drawings come in npm packages (or set FROM to a folder of packed ones)"
        exit 1
    fi
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Brings one package and unpacks it into a folder of its name.
drawings() {
    local name=$1 version=$2 package=$3 icons=$4
    if right "$dir/$name/icons.json" "$icons"; then
        say "$name $version is there"
        return
    fi
    local packed=iconify-json-$name-$version.tgz
    if [ -n "$from" ]; then
        [ -f "$from/$packed" ] || { say "$from has no $packed"; return 1; }
        cp "$from/$packed" "$work/"
    elif ! (cd "$work" && npm pack --silent "@iconify-json/$name@$version" >"$work/log" 2>&1); then
        cat "$work/log" >&2
        say "npm cannot bring @iconify-json/$name@$version"
        return 1
    fi
    if ! right "$work/$packed" "$package"; then
        say "@iconify-json/$name@$version has the SHA-256 $(sha256sum "$work/$packed" | cut -d' ' -f1), not $package"
        return 1
    fi
    rm -rf "$work/$name" && mkdir -p "$work/$name" "$dir"
    tar -xzf "$work/$packed" -C "$work/$name" --strip-components=1 --no-same-owner
    right "$work/$name/icons.json" "$icons" || { say "$name's icons.json is not the pinned one"; return 1; }
    # The drawings, who drew them, and the licence's name and address; licence files where the package has them.
    mkdir "$work/$name.kept"
    (cd "$work/$name" && cp -- icons.json info.json package.json README.md "$work/$name.kept/")
    find "$work/$name" -maxdepth 1 -iname 'licen[cs]e*' -exec cp {} "$work/$name.kept/" \;
    rm -rf "${dir:?}/$name" && mv "$work/$name.kept" "$dir/$name"
    say "$name $version brought"
}

fonts() { "$root/scripts/get-fonts.sh" "$dir/fonts"; }

for package in "${packages[@]}"; do
    read -r name version hash icons <<<"$package"
    drawings "$name" "$version" "$hash" "$icons"
done
fonts
say "all is in $dir"
