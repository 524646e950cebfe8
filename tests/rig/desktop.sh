#!/usr/bin/env bash
# A private desktop: an X server nobody sees, a session bus and a notification server (dunst).
#
#   tests/rig/desktop.sh start DIR [--no-server] [--bus ADDRESS] [--owner PID]
#                                        DIR/env then says how to reach it; returns once it is up
#                                        --bus: on a bus that is there, as in a guest, not a new one
#   tests/rig/desktop.sh stop DIR
#   tests/rig/desktop.sh server-start|server-stop|server-freeze|server-thaw DIR
#
# Any number may run side by side, one DIR each. It also ends when its owner (default: the process
# that called `start`) does. Nothing on this bus is started on demand: without a server there is none.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/rig/lib.sh
. "$here/lib.sh"

die() {
  printf 'desktop: %s\n' "$*" >&2
  exit 1
}

# Starts COMMAND… detached from the caller's terminal, pipes and session; its pid goes to $dir/NAME.pid.
launch() {
  local name=$1
  shift
  CREDD_RIG_DIR=$dir setsid "$@" >"$dir/$name.log" 2>&1 </dev/null &
  echo $! >"$dir/$name.pid"
}

write_bus_config() {
  cat >"$dir/bus.conf" <<XML
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=$dir/bus</listen>
  <auth>EXTERNAL</auth>
  <!-- No servicedir: Debian's dunst would otherwise come up by itself. -->
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
XML
}

# dunst hands the actions of its popups to a menu, one a line: `#label (summary) [id,action]`. Ours picks
# the one that DIR/pick names.
write_menu() {
  cat >"$dir/menu" <<MENU
#!/bin/sh
grep -F -f "$dir/pick"
MENU
  chmod +x "$dir/menu"
}

write_server_config() {
  cat >"$dir/dunstrc" <<RC
[global]
    width = 460
    height = 300
    origin = top-right
    offset = 20x20
    notification_limit = 20
    font = DejaVu Sans 11
    format = "<b>%s</b>\n%b"
    markup = full
    word_wrap = yes
    idle_threshold = 0
    show_indicators = yes
    corner_radius = 6
    dmenu = $dir/menu
[urgency_low]
    timeout = 0
[urgency_normal]
    background = "#24374b"
    foreground = "#ffffff"
    timeout = 0
[urgency_critical]
    background = "#5f1212"
    foreground = "#ffffff"
    timeout = 0
RC
}

start_x() {
  # -displayfd picks a free number without a race, and writes it once the server takes connections.
  # shellcheck disable=SC2016 # expanded by the inner shell
  launch xvfb sh -c 'exec Xvfb -displayfd 3 -screen 0 1000x700x24 -nolisten tcp -noreset 3>"$1"' sh "$dir/display"
  wait_until 10 test -s "$dir/display" || die "Xvfb did not start, see $dir/xvfb.log"
}

start_bus() {
  write_bus_config
  launch bus dbus-daemon --config-file="$dir/bus.conf" --nofork --nopidfile
  wait_until 10 test -S "$dir/bus" || die "dbus-daemon did not start, see $dir/bus.log"
  bus=unix:path=$dir/bus
}

# Whether a notification server is on the bus: true or false.
server_is() {
  local answer
  answer=$(busctl --address="$bus" --timeout=2 call org.freedesktop.DBus / \
    org.freedesktop.DBus NameHasOwner s org.freedesktop.Notifications 2>/dev/null)
  [ "$answer" = "b $1" ]
}

load_env() {
  # shellcheck disable=SC1091 # written by start
  . "$dir/env"
  bus=$DBUS_SESSION_BUS_ADDRESS
}

server_start() {
  load_env
  launch dunst dunst -conf "$dir/dunstrc"
  wait_until 10 server_is true || die "dunst did not start, see $dir/dunst.log"
}

server_pid() { own_pid "$dir/dunst.pid" "$dir" || die "no notification server runs in $dir"; }

server_stop() {
  local pid
  load_env
  pid=$(server_pid)
  kill -KILL "$pid" # also when frozen
  wait_until 5 gone "$pid" || die "dunst (pid $pid) does not end"
  wait_until 5 server_is false || die "the notification server is still on the bus"
}

start() {
  local owner=$PPID server=yes runtime=$dir
  while [ $# -gt 0 ]; do
    case $1 in
    --no-server) server=no ;;
    --owner) owner=$2 && shift ;;
    --bus) bus=$2 runtime=${XDG_RUNTIME_DIR-$dir} && shift ;;
    *) die "unknown option $1" ;;
    esac
    shift
  done
  for tool in Xvfb dbus-daemon dunst busctl; do
    command -v "$tool" >/dev/null || die "$tool is missing, run tests/setup --only desktop"
  done
  mkdir -p "$dir"
  chmod 700 "$dir" # it is an XDG_RUNTIME_DIR
  rm -f "$dir/display" "$dir/bus" "$dir/env"
  trap 'reap "$dir"' EXIT # a desktop that is half there is of no use
  when_gone "$owner" "$dir" "$here/desktop.sh" stop "$dir"
  start_x
  [ -n "$bus" ] || start_bus
  write_server_config
  write_menu
  cat >"$dir/env" <<ENV
export DISPLAY=:$(cat "$dir/display")
export DBUS_SESSION_BUS_ADDRESS=$bus
export XDG_RUNTIME_DIR=$runtime
ENV
  [ "$server" = no ] || server_start
  trap - EXIT
}

usage() {
  sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}

[ $# -ge 2 ] || usage
verb=$1
dir=$(realpath -m "$2")
bus='' # the address of the session bus
shift 2
case $verb in
start) start "$@" ;;
stop) reap "$dir" ;;
server-start) server_start ;;
server-stop) server_stop ;;
server-freeze) kill -STOP "$(server_pid)" ;;
server-thaw) kill -CONT "$(server_pid)" ;;
*) usage ;;
esac
