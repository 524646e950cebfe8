#!/usr/bin/env bash
# A machine within the machine: the installed systemd as PID 1 of namespaces of its own, on a
# copy-on-write view of this very system. No image, no virtual machine, no network but loopback.
#
#   tests/rig/guest.sh boot DIR [--owner PID]     returns once it is up; user `tester` lingers there
#   tests/rig/guest.sh root|user DIR COMMAND…     runs COMMAND inside, with its exit code
#   tests/rig/guest.sh stop DIR
#   tests/rig/guest.sh can                        says in one line what is missing, if anything is
#
# Needs root. The repository, the rig and the build (CARGO_TARGET_DIR) are readable inside at their
# own paths; DIR/share is /share. All else that is written inside is gone afterwards. Any number may
# run side by side. It also ends when its owner (default: the process that called `boot`) does.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
# shellcheck source=tests/rig/lib.sh
. "$here/lib.sh"
readonly TESTER=1500

# What the host has and a guest can't have or has no use for: devices, kernel settings, the clock.
readonly MASKED="systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket
systemd-udevd-kernel.socket systemd-networkd.service systemd-resolved.service
systemd-timesyncd.service systemd-modules-load.service systemd-sysctl.service
systemd-random-seed.service systemd-firstboot.service systemd-sysusers.service
systemd-tmpfiles-setup-dev.service systemd-remount-fs.service systemd-pstore.service
systemd-binfmt.service proc-sys-fs-binfmt_misc.automount dev-hugepages.mount
sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount
sys-fs-fuse-connections.mount kmod-static-nodes.service rpcbind.target timers.target swap.target
remote-fs.target polkit.service"

die() {
  printf 'guest: %s\n' "$*" >&2
  exit 1
}

# One line about what this machine lacks; nothing when a guest can run.
lacks() {
  local tool
  [ "$(id -u)" = 0 ] || { echo "needs root: it mounts and makes namespaces" && return; }
  for tool in /lib/systemd/systemd /usr/bin/dbus-daemon /lib/systemd/systemd-logind; do
    [ -x "$tool" ] || { echo "$tool is missing, run tests/setup --only guest" && return; }
  done
  [ -n "$(cgroup_root)" ] || { echo "needs a writable cgroup v2 hierarchy under /sys/fs/cgroup" && return; }
  unshare --pid --mount --cgroup --ipc --uts --net --fork true 2>/dev/null ||
    { echo "needs the right to make namespaces (in a container: run it with --privileged)" && return; }
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare --mount sh -c 'mount -t tmpfs t /mnt && mkdir /mnt/u /mnt/w /mnt/n &&
    mount -t overlay o -o lowerdir=/etc,upperdir=/mnt/u,workdir=/mnt/w /mnt/n' 2>/dev/null ||
    echo "needs the right to mount an overlay (in a container: run it with --privileged)"
}

# Where cgroup v2 is mounted: beside v1 or alone.
cgroup_root() {
  local root
  for root in /sys/fs/cgroup/unified /sys/fs/cgroup; do
    if [ -w "$root/cgroup.procs" ] && [ "$(stat -f -c %T "$root")" = cgroup2fs ]; then
      echo "$root" && return
    fi
  done
}

# Paths that the guest is to see where they are, one a line.
shared_paths() {
  printf '%s\n' "$repository" "${CREDD_RIG:-$repository/tests/.rig}" "${CARGO_TARGET_DIR:-$repository/target}" |
    while read -r path; do [ ! -d "$path" ] || realpath "$path"; done | sort -u
}

# --- From here to enter(): runs inside the new namespaces, and ends as their PID 1. ---

mount_devices() {
  local root=$1 name
  mount -t tmpfs -o mode=755,nosuid dev "$root/dev"
  for name in null zero full random urandom tty; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
  done
  mkdir -p "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
  mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  ln -s fd/0 "$root/dev/stdin"
  ln -s fd/1 "$root/dev/stdout"
  ln -s fd/2 "$root/dev/stderr"
}

mount_system() {
  local root=$1
  mount -t proc proc "$root/proc"
  mount --bind "$root/proc/sys" "$root/proc/sys"
  mount -o remount,bind,ro "$root/proc/sys" # the kernel's settings are the host's
  mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  mount -t tmpfs -o mode=755 tmpfs "$root/run"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  # Only our own units: what the host's administrator enabled is none of the guest's business.
  mount -t tmpfs -o mode=755 tmpfs "$root/etc/systemd/system"
  mkdir -p "$root/etc/systemd/user"
  mount -t tmpfs -o mode=755 tmpfs "$root/etc/systemd/user"
}

mount_shared() {
  local root=$1 path parent
  mkdir -p "$root/share"
  mount --bind "$dir/share" "$root/share"
  shared_paths | while read -r path; do
    mkdir -p "$root$path"
    mount --rbind -o ro "$path" "$root$path"
    # `tester` must get there even when the checkout is in root's home. The overlay takes the change.
    parent=$(dirname "$path")
    while [ "$parent" != / ]; do
      chmod o+x "$root$parent" 2>/dev/null || true # read-only when it is itself shared
      parent=$(dirname "$parent")
    done
  done
}

write_settings() {
  local root=$1 unit
  cat >"$root/etc/systemd/system/guest.target" <<'UNIT'
[Unit]
Description=A machine to test in
Requires=basic.target dbus.service systemd-logind.service systemd-user-sessions.service
After=basic.target systemd-logind.service systemd-user-sessions.service
AllowIsolate=yes
UNIT
  for unit in $MASKED; do ln -s /dev/null "$root/etc/systemd/system/$unit"; done
  : >"$root/etc/fstab"
  echo guest >"$root/etc/hostname"
  rm -f "$root/etc/machine-id"
  tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
  mkdir -p "$root/var/log/journal" "$root/var/lib/systemd/linger"
  rm -rf "$root/var/log/journal/"* # nobody else's log
  rm -f "$root/var/lib/systemd/linger/"*
  touch "$root/var/lib/systemd/linger/tester"
  chroot "$root" useradd -m -u "$TESTER" -s /bin/bash tester
}

init() {
  local root
  mount --make-rprivate /
  mount -t tmpfs -o mode=755 guest "$dir/layers" # vanishes with the namespace, whatever happens
  mkdir "$dir/layers/upper" "$dir/layers/work" "$dir/layers/root"
  root=$dir/layers/root
  mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/layers/upper,workdir=$dir/layers/work" "$root"
  mount_system "$root"
  mount_devices "$root"
  mount_shared "$root"
  write_settings "$root"
  hostname guest
  ip link set lo up
  cd "$root"
  mkdir -p .host
  pivot_root . .host
  umount -l /.host
  rmdir /.host
  exec env -i container=credd-guest LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=guest.target --log-target=console --log-level=notice </dev/null
}

# --- Outside again. ---

# The cgroup of DIR's guest.
cgroup_of() { echo "$(cgroup_root)/credd-guest-$(printf %s "$1" | md5sum | cut -c1-12)"; }

# The guest's PID 1 as this machine sees it. The unshare that made it is its parent and waits for it.
pid_1() {
  local parent pid
  parent=$(own_pid "$dir/unshare.pid" "$dir") || return 1
  pid=$(cat "/proc/$parent/task/$parent/children")
  [ -n "$pid" ] && echo "${pid%% *}"
}

enter() {
  local pid
  pid=$(pid_1) || die "none runs in $dir"
  nsenter -t "$pid" -m -p -C -i -u -n -r -w -- "$@"
}

# Up, or gone for good. It isn't known by its environment here: until its exec it has ours, and amid it none.
settled() {
  ! gone "$(cat "$dir/unshare.pid")" || return 0
  case $(enter systemctl is-system-running 2>/dev/null) in
  running | degraded) enter systemctl is-active -q "user@$TESTER.service" ;;
  *) return 1 ;;
  esac
}

boot() {
  local owner=$PPID missing cgroup
  [ "${1-}" != --owner ] || owner=$2
  missing=$(lacks)
  [ -z "$missing" ] || die "$missing"
  ! own_pid "$dir/unshare.pid" "$dir" >/dev/null || die "one runs in $dir already"
  mkdir -p "$dir/share" "$dir/layers"
  chmod 1777 "$dir/share"
  cgroup=$(cgroup_of "$dir")
  mkdir -p "$cgroup"
  trap stop EXIT # a guest that is half there is of no use
  when_gone "$owner" "$dir" "$here/guest.sh" stop "$dir"
  # It enters its cgroup before the cgroup namespace is made, so that it is that namespace's root.
  # shellcheck disable=SC2016 # expanded by the inner shell
  CREDD_RIG_DIR=$dir setsid sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$cgroup" \
    unshare --pid --mount --cgroup --ipc --uts --net --fork --kill-child=SIGKILL \
    "$here/guest.sh" init "$dir" >"$dir/console.log" 2>&1 </dev/null &
  echo $! >"$dir/unshare.pid"
  wait_until 60 settled || die "did not come up in a minute: $(tail -n 20 "$dir/console.log")"
  pid_1 >/dev/null || die "ended during its start: $(tail -n 3 "$dir/console.log")"
  trap - EXIT
}

# Runs COMMAND… as a service of its own: its own cgroup, PAM session, environment; systemd tells its exit code.
run_root() { enter systemd-run -q --wait --collect --pipe --setenv=LANG=C.UTF-8 -- "$@"; }
run_user() {
  enter systemd-run -q --wait --collect --pipe --uid=tester --working-directory=/home/tester \
    -p PAMName=login --setenv=LANG=C.UTF-8 --setenv=HOME=/home/tester -- "$@"
}

stop() {
  local cgroup unshare
  cgroup=$(cgroup_of "$dir")
  unshare=$(own_pid "$dir/unshare.pid" "$dir" || true)
  # With its PID 1 the kernel ends all that is in there. An orderly shutdown would save nothing.
  [ -z "$unshare" ] || kill -KILL "$(pid_1)" 2>/dev/null || true
  [ -z "$unshare" ] || wait_until 10 gone "$unshare" || die "unshare (pid $unshare) does not end"
  reap "$dir"
  wait_until 10 remove_cgroup "$cgroup" || die "the cgroup $cgroup does not go away"
}

remove_cgroup() {
  [ ! -d "$1" ] || find "$1" -depth -type d -exec rmdir {} + 2>/dev/null
}

usage() {
  sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}

if [ "${1-}" = can ]; then
  missing=$(lacks)
  [ -z "$missing" ] || die "$missing"
  exit
fi
[ $# -ge 2 ] || usage
verb=$1
dir=$(realpath -m "$2")
shift 2
case $verb in
boot) boot "$@" ;;
init) init ;;
root) run_root "$@" ;;
user) run_user "$@" ;;
stop) stop ;;
*) usage ;;
esac
