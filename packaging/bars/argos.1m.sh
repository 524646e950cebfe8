#!/usr/bin/env bash
# GNOME: with the extension Argos, put this into ~/.config/argos as credd.1m.sh, and make it executable.
PATH=$HOME/.local/bin:$HOME/.cargo/bin:$PATH
credd check >/dev/null
case $? in
0) colour='' ;;
1) colour=' | color=orange' ;;
2) colour=' | color=red' ;;
*) colour=' | color=gray' ;;
esac
printf '%s%s\n---\n' "$(credd status --short)" "$colour"
# A bar would begin the attributes of a line.
credd status 2>&1 | tr '|' ':' | while IFS= read -r line; do
  [ -z "$line" ] || printf '%s | font=monospace trim=false\n' "$line"
done
printf -- '---\nRenew… | bash="%s renew" terminal=true\n' "$(command -v credd)"
