# shellcheck shell=bash
# What the rig's scripts share. Source it; it does nothing by itself.

# Waits until COMMAND… succeeds, at most LIMIT seconds.
wait_until() {
  local limit=$1 end
  shift
  end=$((SECONDS + limit))
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.02
  done
}

gone() { [ ! -d "/proc/$1" ] || grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null; }

# The pid in FILE, if that process still runs and was started for DIR: a pid alone may be somebody
# else's by now.
own_pid() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 1
  [ -n "$pid" ] && tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qxF "CREDD_RIG_DIR=$2" && echo "$pid"
}

# Runs COMMAND… once process OWNER has ended, however it ended; the watcher's pid goes to DIR/watch.pid.
# A parent-death signal would not do: it fires when the *thread* that started us ends.
when_gone() {
  local owner=$1 dir=$2
  shift 2
  # shellcheck disable=SC2016 # expanded by the watcher
  CREDD_RIG_DIR=$dir setsid bash -c 'owner=$1; shift; tail --pid="$owner" -f /dev/null; "$@"' \
    credd-rig-watch "$owner" "$@" </dev/null >/dev/null 2>&1 &
  echo $! >"$dir/watch.pid"
}

# Ends the watcher of DIR, unless it is what runs us.
unwatch() {
  local pid
  pid=$(own_pid "$1/watch.pid" "$1") || return 0
  [ "$pid" = "$PPID" ] || [ "$pid" = $$ ] || kill -- "-$pid" 2>/dev/null || true
  rm -f "$1/watch.pid"
}
