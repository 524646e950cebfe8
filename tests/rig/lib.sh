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

# The pid in FILE, if that process still runs and has WORD in its arguments: a pid alone may be
# somebody else's by now.
own_pid() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 1
  [ -n "$pid" ] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$2" && echo "$pid"
}

# Runs COMMAND… once process OWNER has ended, however it ended. The watcher's pid goes to FILE.
# A parent-death signal would not do: it fires when the *thread* that started us ends.
when_gone() {
  local owner=$1 file=$2
  shift 2
  # shellcheck disable=SC2016 # expanded by the watcher
  setsid bash -c 'owner=$1; shift; tail --pid="$owner" -f /dev/null; "$@"' credd-rig-watch "$owner" "$@" \
    </dev/null >/dev/null 2>&1 &
  echo $! >"$file"
}

# Ends the watcher of FILE, unless it is what runs us.
unwatch() {
  local pid
  pid=$(own_pid "$1" credd-rig-watch) || return 0
  [ "$pid" = "$PPID" ] || kill -- "-$pid" 2>/dev/null || true
  rm -f "$1"
}
