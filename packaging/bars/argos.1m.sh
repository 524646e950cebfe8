#!/usr/bin/env bash
# GNOME: with the extension Argos, put this into ~/.config/argos as credd.1m.sh, and make it executable. "Renew…" needs gnome-terminal.
PATH=$HOME/.local/bin:$HOME/.cargo/bin:$PATH
credd check >/dev/null
case $? in
0) colour='' ;;
1) colour=orange ;;
2) colour=red ;;
*) colour=gray ;;
esac
title=$(credd status --short) || title='credd ?'
# GNOME's own colour wins over one that begins with the text (p-e-w/argos#112), so a character without width comes first.
[ -z "$colour" ] || title=$(printf '\342\201\240<span color="%s">%s</span>' "$colour" "$title")
printf '%s\n---\n' "$title"
# A bar would begin the attributes of a line.
credd status 2>&1 | tr '|' ':' | while IFS= read -r line; do
  [ -z "$line" ] || printf '%s | font=monospace trim=false useMarkup=false unescape=false emojize=false\n' "$line"
done
printf -- "---\\nRenew… | bash=\"'%s' renew\" terminal=true\\n" "$(command -v credd || echo credd)"
