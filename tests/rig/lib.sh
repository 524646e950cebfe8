# shellcheck shell=bash
# What the rig's scripts share. Source it; it does nothing by itself.
#
# Everything the rig starts for DIR has CREDD_RIG_DIR=DIR in its environment, and so has what that
# starts in turn: it is found again whatever became of its parents, and a stranger is never hit.

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

# Whether process PID was started for DIR.
started_for() { grep -qzxF "CREDD_RIG_DIR=$2" "/proc/$1/environ" 2>/dev/null; }

# The pid in FILE, unless that process has ended and the number is somebody else's by now.
own_pid() {
  local pid
  pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] && started_for "$pid" "$2" && echo "$pid"
}

# What runs for DIR, but for our own process group: the watcher that calls us must live to the end.
pids_of() {
  local own pid group
  own=$(ps -o pgid= -p $$)
  # Some have ended by the time they are read: grep's exit code tells nothing.
  { grep -lzxF "CREDD_RIG_DIR=$1" /proc/[0-9]*/environ 2>/dev/null || true; } | while IFS=/ read -r _ _ pid _; do
    group=$(ps -o pgid= -p "$pid") || continue
    [ "$group" = "$own" ] || echo "$pid"
  done
}

# Ends all that runs for DIR; SIGKILL, because some of it may be frozen and none has anything to save.
reap() {
  local dir=$1 pids pid
  pids=$(pids_of "$dir")
  # Again, for what was being started while we looked.
  while [ -n "$pids" ]; do
    # shellcheck disable=SC2086 # a list of numbers
    kill -KILL $pids 2>/dev/null || true
    for pid in $pids; do
      wait_until 5 gone "$pid" || return 1
    done
    pids=$(pids_of "$dir")
  done
}

# Runs COMMAND… once process OWNER has ended, however it ended.
# A parent-death signal would not do: it fires when the *thread* that started us ends.
when_gone() {
  local owner=$1 dir=$2
  shift 2
  # shellcheck disable=SC2016 # expanded by the watcher
  CREDD_RIG_DIR=$dir setsid bash -c 'owner=$1; shift; tail --pid="$owner" -f /dev/null; "$@"' \
    credd-rig-watch "$owner" "$@" </dev/null >/dev/null 2>&1 &
  disown # or the shell would report its end
}
