# credd: a shell that stays open has the keys of the tracked files anew at its next prompt.
__credd() { builtin command @CREDD@ "$@" }
typeset -g __credd_told='' __credd_until=0
typeset -ga __credd_watch=() __credd_pending=()

# One file and its stamp after the other. Nothing is run unless one differs, or another day has come.
__credd_hook() {
  local __credd_status=$? __credd_errexit=$-
  emulate -L zsh
  setopt no_xtrace no_err_exit no_err_return unset
  local __credd_file __credd_stamp __credd_code
  local -a __credd_changed=("${__credd_pending[@]}")
  for __credd_file __credd_stamp in "${__credd_watch[@]}"; do
    if [[ $__credd_file -nt $__credd_stamp || $__credd_file -ot $__credd_stamp ]] \
      || [[ ( -e $__credd_file && ! -e $__credd_stamp ) || ( ! -e $__credd_file && -e $__credd_stamp ) ]]; then
      __credd_changed+=("$__credd_file")
    fi
  done
  if (( ${#__credd_changed} || ${(%):-%D{%s\}} >= __credd_until )) && [[ -x @EXE@ ]]; then
    if __credd_code=$(__credd hook zsh --look $$ --told "$__credd_told" -- "${__credd_changed[@]}"); then
      builtin eval "$__credd_code"
    else
      __credd_watch=() __credd_pending=() __credd_until=99999999999
    fi
  fi
  # The shell would end.
  [[ $__credd_errexit == *e* ]] && return 0
  return $__credd_status
}

# FILE, then KEY VARIABLE any number of times: takes what is in this shell. A value is never code; its end is marked, since newlines at the end are cut off.
__credd_take() {
  local __credd_file=$1 __credd_all='' __credd_value __credd_name
  shift
  while (( $# > 1 )); do
    __credd_name=$2
    if (( ${(P)+__credd_name} )); then
      __credd_value=$(__credd exec "$1" -- /bin/sh -c "printf %s. \"\$$__credd_name\"") || break
      __credd_value=${__credd_value%.}
      if [[ ${(P)__credd_name} != "$__credd_value" ]]; then
        : ${(P)__credd_name::=$__credd_value}
        __credd_all+=${__credd_all:+, }$__credd_name
      fi
    fi
    shift 2
  done
  if [[ -n $__credd_all ]]; then
    builtin print -r -- "credd: this shell has $__credd_all anew from $__credd_file" >&2
  fi
}

typeset -ga precmd_functions
if (( ! ${precmd_functions[(I)__credd_hook]} )); then
  precmd_functions=(__credd_hook "${precmd_functions[@]}")
fi
