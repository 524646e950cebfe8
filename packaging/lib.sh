# shellcheck shell=bash
# What the scripts beside this one share: sourced in the top folder of the sources.

# Who releases credd, and from where: no source can know that, so whoever does sets it.
: "${CREDD_MAINTAINER:=credd developers <developers@credd.invalid>}"
: "${CREDD_HOMEPAGE:=https://credd.invalid}"

# Cargo.toml's, and nobody else's.
CREDD_VERSION=$(sed -n '0,/^version = "\(.*\)"$/s//\1/p' Cargo.toml)
# 1.2.0-rc.1 comes before 1.2.0, which Debian and RPM write with a tilde.
PACKAGE_VERSION=${CREDD_VERSION/-/\~}
# Where the files of this version are.
: "${CREDD_DOWNLOADS:=$CREDD_HOMEPAGE/releases/$CREDD_VERSION}"

# The compiler writes no time; whatever else does writes this one.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.lock)
export SOURCE_DATE_EPOCH CREDD_VERSION PACKAGE_VERSION CREDD_MAINTAINER CREDD_HOMEPAGE CREDD_DOWNLOADS
export LC_ALL=C.UTF-8 TZ=UTC
umask 022

die() {
  printf '%s: %s\n' "packaging/${0##*/}" "$*" >&2
  exit 1
}

# needs GROUP PROGRAM…: of the packages that tests/setup installs.
needs() {
  local group=$1 program
  shift
  for program in "$@"; do
    command -v "$program" >/dev/null || die "$program is missing: run tests/setup --only $group"
  done
}

# fill FILE: a template, with each @NAME@ replaced by what the variable says; none may be left.
fill() {
  local text name
  text=$(cat "$1")
  while [[ $text =~ @([A-Z][A-Z0-9_]*)@ ]]; do
    name=${BASH_REMATCH[1]}
    [ -n "${!name+set}" ] || die "$1: nothing says what @$name@ is"
    text=${text//"@$name@"/"${!name}"}
  done
  printf '%s\n' "$text"
}
