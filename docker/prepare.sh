#!/bin/sh
# Makes the secrets that docker/compose.yaml needs: a CA, certificates of the broker and the review page, a password for each
# user of configs/mosquitto.acl, the token of /metrics, Grafana's password. What exists is kept. docs/deployment.md says where
# the files go on a box without containers.
#   docker/prepare.sh NAME...      the names and addresses under which cameras and browsers reach this box
set -eu
umask 077
names="broker localhost 127.0.0.1 $*"
home=$(cd "$(dirname "$0")" && pwd)
acl=$home/../configs/mosquitto.acl
mkdir -p "$home/secrets"
cd "$home/secrets"

random() { openssl rand -hex 24; }

for secret in metrics-token grafana-password; do
    [ -s "$secret" ] || random >"$secret"
done

if [ ! -s ca.pem ]; then
    openssl req -x509 -newkey rsa:3072 -nodes -days 3650 -subj "/CN=inspector CA" \
        -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.pem 2>/dev/null
fi
for server in broker review; do
    [ ! -s "$server.pem" ] || continue
    alternatives=
    for name in $names; do
        case $name in
            *:*) alternatives=$alternatives,IP:$name ;;
            *[!0-9.]*) alternatives=$alternatives,DNS:$name ;;
            *) alternatives=$alternatives,IP:$name ;;
        esac
    done
    cat >server.ext <<END
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = ${alternatives#,}
END
    openssl req -newkey rsa:3072 -nodes -subj "/CN=$server" -keyout "$server.key" -out server.csr 2>/dev/null
    openssl x509 -req -days 825 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile server.ext \
        -out "$server.pem" 2>/dev/null || {
        rm -f "$server.pem"
        echo "error: no certificate for $names: expected names and addresses of this box" >&2
        exit 1
    }
    rm -f server.csr server.ext
done

# mosquitto_passwd of this machine, or of the broker's image, hashes a file: other users could read a command line.
hash_passwords() {
    if command -v mosquitto_passwd >/dev/null; then
        mosquitto_passwd -U "$1"
    else
        docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/secrets" --entrypoint mosquitto_passwd \
            inspector-broker -U "/secrets/$1"
    fi
}

[ -e mqtt-passwords ] || : >mqtt-passwords
sed -n 's/^user //p' "$acl" | while read -r user; do
    file=mqtt-password-$user
    [ "$user" = inspector ] && file=mqtt-password
    if [ -s "$file" ] && awk -F: -v user="$user" '$1 == user { found = 1 } END { exit !found }' mqtt-passwords; then
        continue
    fi
    [ -s "$file" ] || random >"$file"
    printf '%s:%s\n' "$user" "$(cat "$file")" >mqtt-new
    hash_passwords mqtt-new </dev/null || {
        rm -f mqtt-new
        echo "error: user $user: expected mosquitto_passwd, of Debian's mosquitto, or docker with the image inspector-broker" >&2
        exit 1
    }
    awk -F: -v user="$user" '$1 != user' mqtt-passwords | cat - mqtt-new >mqtt-all
    mv mqtt-all mqtt-passwords
    rm mqtt-new
done

# The containers' users must be able to read these; the folder's mode keeps everybody else on this machine out.
chmod 0700 .
chmod 0644 ca.pem broker.pem broker.key review.pem review.key mqtt-passwords mqtt-password metrics-token grafana-password
echo "docker/secrets: ready"
