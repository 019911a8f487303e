#!/bin/sh
# Give a renewed certificate to the gateway: put this in /etc/letsencrypt/renewal-hooks/deploy/ and make it executable.
#
# certbot calls it as root for each renewed certificate, with its folder in RENEWED_LINEAGE. It writes chain and key to
# one file that only the gateway can read, and has the gateway check it: whether key and chain fit, and whether it names
# every domain that has the present one. Only then it replaces the present one, in one step, and the gateway loads it without
# closing a stream. Certificates that the configuration does not name are skipped.
set -eu

config=${XMPP_GATEWAY_CONFIG:-/etc/xmpp-gateway/gateway.toml}
command=${XMPP_GATEWAY_COMMAND:-/opt/xmpp-gateway/bin/xmpp-gateway}
owner=${XMPP_GATEWAY_USER:-xmpp-gateway}

name=$(basename "$RENEWED_LINEAGE")
target=$(dirname "$config")/$name.pem
grep -q "\"$name.pem\"" "$config" || exit 0

umask 077
fresh=$(mktemp "$target.XXXXXX")
trap 'rm -f "$fresh"' EXIT
cat "$RENEWED_LINEAGE/fullchain.pem" "$RENEWED_LINEAGE/privkey.pem" >"$fresh"
chown "$owner" "$fresh"
if ! "$command" check --config "$config" --certificate "$fresh" --instead-of "$target"; then
    echo "$0: the renewed certificate of $name cannot be used, and $target stays as it is" >&2
    exit 1
fi
mv "$fresh" "$target"

# A gateway that is not running reads the new file when it starts.
"$command" reload --config "$config" || [ $? -eq 3 ]
