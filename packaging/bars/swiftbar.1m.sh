#!/bin/bash
# <xbar.title>credd</xbar.title>
# <xbar.desc>How long your API keys last</xbar.desc>
# <swiftbar.hideRunInTerminal>true</swiftbar.hideRunInTerminal>
# macOS: put this into SwiftBar's folder of plugins as credd.1m.sh, and make it executable.
PATH=/opt/homebrew/bin:/usr/local/bin:$HOME/.cargo/bin:$PATH
credd check >/dev/null
case $? in
0) colour='' ;;
1) colour=' | color=orange' ;;
2) colour=' | color=red' ;;
*) colour=' | color=gray' ;;
esac
title=$(credd status --short) || title='credd ?'
printf '%s%s\n---\n' "$title" "$colour"
# A bar would begin the attributes of a line, a backslash an escape.
credd status 2>&1 | sed 's/|/:/g; s/\\/\\\\/g' | while IFS= read -r line; do
  [ -z "$line" ] || printf '%s | font=Menlo trim=false symbolize=false emojize=false\n' "$line"
done
printf -- '---\nRenew… | bash="%s" param1=renew terminal=true\n' "$(command -v credd || echo credd)"
