#!/bin/sh
# Build the Debian package from this tree: debian/build.sh [FOLDER]; without a folder, into build/deb.
#
# As root on Debian it first installs what building needs. The libraries that debian/requirements.txt names are fetched
# by pip, which compares their digests; everything after that works without a network. With PIP_NO_INDEX=1 and
# PIP_FIND_LINKS=FOLDER pip takes them from a folder instead.
set -eu

cd "$(dirname "$0")/.."
folder=${1:-build/deb}
tree=$folder/xmpp-gateway

needed="dpkg-dev debhelper python3-build python3-setuptools python3-venv python3-wheel"
missing=""
for package in $needed; do
    state=$(dpkg-query --show --showformat='${db:Status-Abbrev}' "$package" 2>/dev/null || true)
    [ "$state" = "ii " ] || missing="$missing $package"
done
if [ -n "$missing" ] && [ "$(id -u)" -eq 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet --quiet
    # shellcheck disable=SC2086  # a list of names, split on purpose
    apt-get install --quiet --quiet --yes --no-install-recommends $missing
elif [ -n "$missing" ]; then
    echo "make deb: not installed:$missing" >&2
    exit 1
fi

# A copy, since building writes into the tree. Only what git has would be better, but an unpacked sdist has no git.
rm -rf "$folder"
mkdir -p "$tree"
tar --create --exclude-vcs --exclude='./build' --exclude='./dist' --exclude='./state' --exclude='./.venv*' \
    --exclude='./.*_cache' --exclude='./.hypothesis' --exclude='*.egg-info' --exclude='__pycache__' \
    --exclude='node_modules' . | tar --extract --directory "$tree"

/usr/bin/python3 -m venv "$folder/fetch"
"$folder/fetch/bin/pip" --disable-pip-version-check --quiet download --no-deps --only-binary :all: --require-hashes \
    --dest "$tree/debian/wheels" --requirement debian/requirements.txt
rm -rf "$folder/fetch"

(cd "$tree" && dpkg-buildpackage --build=binary --no-sign)
rm -rf "$tree"
ls "$folder"/*.deb
