#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh - builds docker/Dockerfile and runs the image as hardened as a cluster would: read-only,
# no capabilities, no new privileges. Needs root, buildah, podman, runc and mmdebstrap, but no
# container engine's service and no image registry: the base image is made from Debian packages.
#
# Prints "ok NAME", "ok NAME # SKIP why" or "not ok NAME" for each step. Storage is under
# build/container and the base image is kept there for the next run.
# shellcheck disable=SC2317 # the functions are called by name through check()
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
work=$root/build/container
base=docker.io/library/debian:bookworm-slim
image=localhost/culvert:test
container=culvert-test-$$
bad=0

if [ "$(id -u)" -ne 0 ]; then
    echo 'ok container # SKIP it needs root'
    exit 0
fi
for tool in buildah podman runc conmon mmdebstrap python3; do
    if ! command -v "$tool" >/dev/null; then
        echo "ok container # SKIP there is no $tool"
        exit 0
    fi
done

# Explicit limits: the default ones of the engine may be above what this process may grant.
limits=(--pull=never --network=host --ulimit nofile=1024:1024 --ulimit nproc=1000:1000)
storage=(--root "$work/storage" --runroot "$work/run" --storage-driver vfs)


pod() {
    podman "${storage[@]}" --cgroup-manager=cgroupfs --events-backend=file \
        --runtime "$(command -v runc)" "$@"
}

check() {
    local name=$1
    shift
    if "$@"; then
        echo "ok $name"
    else
        echo "not ok $name"
        bad=1
        return 1
    fi
}

clean_up() {
    pod rm --force --time 1 "$container" >/dev/null 2>&1
    buildah "${storage[@]}" rmi --prune >/dev/null 2>&1
}
trap clean_up EXIT

make_base() {
    buildah "${storage[@]}" images --format '{{.Name}}:{{.Tag}}' | grep -qx "$base" && return
    mkdir -p "$work" || return 1
    mmdebstrap --quiet --variant=minbase bookworm "$work/base.tar" || return 1
    local new
    new=$(buildah "${storage[@]}" from scratch) &&
        buildah "${storage[@]}" add --quiet "$new" "$work/base.tar" / &&
        buildah "${storage[@]}" commit --quiet --rm "$new" "$base"
    local result=$?
    rm -f "$work/base.tar"
    return "$result"
}

build_image() {
    buildah "${storage[@]}" bud --isolation chroot --pull-never --format docker --quiet \
        --file "$root/docker/Dockerfile" --tag "$image" "$root"
}

has_metadata() {
    pod image inspect "$image" >"$work/inspect.json" || return 1
    python3 - "$work/inspect.json" <<'PYTHON'
import json, sys
config = json.load(open(sys.argv[1]))[0]
print(f"image size {config['Size'] / 1e6:.1f} MB")
assert config["Config"]["User"] == "65532:65532", config["Config"]["User"]
assert config["Config"]["StopSignal"] == "SIGTERM"
health = config.get("HealthCheck") or config["Healthcheck"]
assert health["Test"] == ["CMD", "/usr/bin/culvert", "ctl", "ready"], health
assert config["Size"] < 20e6, "the image has grown beyond 20 MB"
PYTHON
}

# Three ports free at this moment, from a range of which the kernel gives nobody any by itself.
free_ports() {
    python3 -c '
import random, socket
sockets = []
while len(sockets) < 3:
    try:
        sockets.append(socket.create_server(("127.0.0.1", random.randint(20000, 32000))))
    except OSError:
        pass
print(*(s.getsockname()[1] for s in sockets))'
}

start() {
    pod run --detach --name "$container" "${limits[@]}" --read-only --cap-drop=all \
        --security-opt=no-new-privileges --env CULVERT_LISTEN="127.0.0.1:$1" --env CULVERT_ADMIN="127.0.0.1:$2" \
        --env CULVERT_METRICS="127.0.0.1:$3" "$image" >/dev/null
}

is_healthy() {
    local end=$((SECONDS + 60))
    while [ "$SECONDS" -lt "$end" ]; do
        pod healthcheck run "$container" >/dev/null 2>&1 && return
        sleep 0.2
    done
    pod logs "$container"
    return 1
}

relays() {
    python3 - "$1" <<'PYTHON'
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30) as client:
    client.sendall(b"x" * 100000)
    client.shutdown(socket.SHUT_WR)
    received = b""
    while chunk := client.recv(65536):
        received += chunk
assert received == b"x" * 100000, len(received)
PYTHON
}

is_confined() {
    local pid
    pid=$(pod inspect --format '{{.State.Pid}}' "$container") || return 1
    grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' "/proc/$pid/status"
    grep -qE '^Uid:\s+65532' "/proc/$pid/status" &&
        grep -qE '^CapEff:\s+0+$' "/proc/$pid/status" &&
        grep -qE '^NoNewPrivs:\s+1$' "/proc/$pid/status"
}

stops() {
    pod stop --time 10 "$container" >/dev/null || return 1
    local code
    code=$(pod inspect --format '{{.State.ExitCode}}' "$container")
    [ "$code" = 0 ] || {
        echo "exit code $code"
        pod logs "$container"
        return 1
    }
}

check 'container: base image from Debian packages' make_base || exit 1
check 'container: the Dockerfile builds' build_image || exit 1
check 'container: user, stop signal and health check are in the image' has_metadata
read -r port admin metrics <<<"$(free_ports)"
if ! pod run --rm "${limits[@]}" "$image" --version; then
    echo 'ok container: runs hardened # SKIP containers cannot be started here'
    exit $bad
fi
check 'container: starts hardened' start "$port" "$admin" "$metrics" || exit 1
check 'container: the health check becomes healthy' is_healthy
check 'container: no user, capability or privilege to gain' is_confined
check 'container: relays bytes and their end' relays "$port"
check 'container: TERM ends it with exit code 0' stops
exit $bad
