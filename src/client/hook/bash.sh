# credd: a shell that stays open has the keys of the tracked files anew at its next prompt.
__credd() { \builtin command @CREDD@ "$@"; }
__credd_watch=() __credd_pending=() __credd_told='' __credd_until=0

# One file and its stamp after the other. Nothing is run unless one differs, or another day has come.
__credd_hook() {
  \builtin local __credd_status="$?" __credd_errexit="$-" -
  \builtin set +exu
  \builtin local __credd_now=0 __credd_i __credd_changed
  __credd_changed=("${__credd_pending[@]}")
  \builtin printf -v __credd_now '%(%s)T' -1
  for ((__credd_i = 0; __credd_i < ${#__credd_watch[@]}; __credd_i += 2)); do
    if [[ ${__credd_watch[__credd_i]} -nt ${__credd_watch[__credd_i + 1]} || ${__credd_watch[__credd_i]} -ot ${__credd_watch[__credd_i + 1]} ]]; then
      __credd_changed+=("${__credd_watch[__credd_i]}")
    fi
  done
  if ((${#__credd_changed[@]} > 0 || __credd_now >= __credd_until)) && [[ -x @EXE@ ]]; then
    if __credd_i=$(__credd hook bash --look "$$" --told "$__credd_told" -- "${__credd_changed[@]}"); then
      \builtin eval "$__credd_i"
    else
      __credd_watch=() __credd_pending=() __credd_until=99999999999
    fi
  fi
  # The shell would end.
  [[ $__credd_errexit == *e* ]] && \builtin return 0
  \builtin return "$__credd_status"
}

# FILE, then KEY VARIABLE any number of times: takes what is in this shell. A value is never code; its end is marked, since newlines at the end are cut off.
__credd_take() {
  \builtin local __credd_file="$1" __credd_all='' __credd_value __credd_name
  \builtin shift
  while (($# > 1)); do
    __credd_name=$2
    if [[ -v $__credd_name ]]; then
      __credd_value=$(__credd exec "$1" -- /bin/sh -c "printf %s. \"\$$__credd_name\"") || \builtin break
      __credd_value=${__credd_value%.}
      if [[ ${!__credd_name} != "$__credd_value" ]] && \builtin printf -v "$__credd_name" %s "$__credd_value"; then
        __credd_all+=${__credd_all:+, }$__credd_name
      fi
    fi
    \builtin shift 2
  done
  if [[ -n $__credd_all ]]; then
    \builtin printf 'credd: %s\n' "this shell has $__credd_all anew from $__credd_file" >&2
  fi
}

if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
  \builtin printf '%s\n' 'credd: its hook needs bash 4.4; take a newer bash, or zsh or fish' >&2
elif [[ " ${PROMPT_COMMAND[*]-} " != *__credd_hook* ]]; then
  # An array of bash 5.1 or a text, which becomes one with what is before.
  if [[ $(\builtin declare -p PROMPT_COMMAND 2>/dev/null) == 'declare -a'* ]]; then
    PROMPT_COMMAND=(__credd_hook "${PROMPT_COMMAND[@]}")
  else
    PROMPT_COMMAND=__credd_hook${PROMPT_COMMAND:+$'\n'$PROMPT_COMMAND}
  fi
fi
