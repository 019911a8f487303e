#!/bin/sh
# Install the real servers and clients that the interoperability tests and the benchmarks talk to.
#
# As root on Debian: installs what is missing, without letting the distribution start its own services on the usual ports.
# Otherwise: says what is missing, and leaves it to the tests to skip. Quick when everything is there already.
set -eu

# chromium looks at the status page, as people do, and fonts-dejavu-core gives it letters.
# libnss-wrapper gives ejabberd, which asks libc for addresses, a hosts file of the tests' own.
# profanity is a client that people use in a terminal, tmux the terminal; npm installs a client for node.
# unbound checks the signatures of zones (DNSSEC).
# nats-server is between the nodes of a cluster.
# strace lets a disk fail at a chosen moment.
packages="prosody lua-unbound ejabberd jabberd2 unbound libnss-wrapper chromium chromium-driver fonts-dejavu-core profanity tmux strace nats-server"
# promtool, which is in prometheus, checks the metrics and tries the alert rules.
packages="$packages prometheus"
# biboumi is a gateway to IRC, as a component.
packages="$packages biboumi"
# libmagic1 is what slidge, a bridge, tells files by.
packages="$packages libmagic1"
# groff checks the manual pages, zsh its completion, logrotate rotates a log.
packages="$packages groff zsh logrotate"
# The Debian package: what it depends on, and what looks at it; `ip` sets up the network of a namespace.
packages="$packages adduser ca-certificates lintian iproute2"
# The nameserver of the recipe for relays.
packages="$packages dnsmasq-base"
# postgresql keeps accounts and the outbox; tests start their own servers.
packages="$packages postgresql"
command -v npm >/dev/null || packages="$packages nodejs npm"

missing=""
for package in $packages; do
    state=$(dpkg-query --show --showformat='${db:Status-Abbrev}' "$package" 2>/dev/null || true)
    [ "$state" = "ii " ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "interop: not installed:$missing (as root on Debian: tests/interop/install.sh)" >&2
    exit 0
fi

# Debian's scripts ask policy-rc.d before they start a service; exit status 101 forbids it.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

# Nobody needs the cluster that Debian makes when PostgreSQL is installed first.
if [ ! -e /etc/postgresql-common ]; then
    mkdir -p /etc/postgresql-common/createcluster.d
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/none.conf
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet --quiet
# shellcheck disable=SC2086  # a list of names, split on purpose
apt-get install --quiet --quiet --yes --no-install-recommends $missing
