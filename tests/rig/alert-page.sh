#!/usr/bin/env bash
# Takes a picture of Prometheus' alert page: alice's key is due, and bob's credd was killed.
#
#   alert-page.sh CREDD FILE
#
# All of it is real: two daemons, node_exporter with their text files, Prometheus with the rules of packaging/prometheus,
# a browser.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/rig/lib.sh
. "$here/lib.sh"
rules=$here/../../packaging/prometheus/credd.rules.yml
credd=$(realpath "$1")
file=$(realpath "$2")
dir=$(mktemp -d -t credd-XXXXXX)
trap 'reap "$dir"; rm -rf "$dir"' EXIT

readonly KEY=ABSKQmVkcm9ja0FQSUtleS1vbGQtYXQtMTIzNDU2Nzg5MDEyOm9sZC1zZWNyZXQtdmFsdWU=
readonly EXPORTER=127.0.0.1:19474 PROMETHEUS=127.0.0.1:19475 BEDROCK=19476

# The daemon of USER, whose key is of so many DAYS. It has something to do every few seconds, so that it is missed soon.
user() {
  local user=$1 days=$2 home=$dir/$1
  mkdir -p "$home/.config/credd" "$home/run"
  chmod 700 "$home/run"
  printf 'consumers = []\n[alerts]\ndesktop = false\n[metrics]\ntextfile = "%s"\n[[keys]]\nprobe = "*/3 * * * * *"\n' \
    "$dir/textfiles/$user.prom" >"$home/.config/credd/config.toml"
  printf 'export AWS_BEARER_TOKEN_BEDROCK="%s"\n' "$KEY" >"$home/.backlog-toolkit-env"
  chmod 600 "$home/.backlog-toolkit-env"
  touch -d "$days days ago" "$home/.backlog-toolkit-env"
  setsid env -i PATH="$PATH" HOME="$home" USER="$user" TZ=UTC XDG_RUNTIME_DIR="$home/run" AWS_ENDPOINT_URL_BEDROCK="http://127.0.0.1:$BEDROCK" \
    CREDD_RIG_DIR="$dir" "$credd" run 2>"$dir/$user.log" &
  disown # that it was killed is no news
}

background() {
  CREDD_RIG_DIR=$dir setsid "$@" >"$dir/$1.log" 2>&1 </dev/null &
  disown
}

cd "$dir"
mkdir textfiles
# Whoever asks is told that the key works, so that the next question is seconds away.
background python3 -c '
from http.server import BaseHTTPRequestHandler, HTTPServer
class Bedrock(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{\"modelSummaries\": []}")
HTTPServer(("127.0.0.1", int(__import__("sys").argv[1])), Bedrock).serve_forever()' "$BEDROCK"
user alice 25
user bob 3
bob=$!
# The moment at which bob's daemon acts next, once the first question is answered.
is_near() {
  local next
  next=$(sed -n 's/^credd_next_deadline.* //p' "textfiles/$1.prom" 2>/dev/null)
  [ -n "$next" ] && [ $((next - $(date +%s))) -lt 10 ]
}
{ wait_until 30 is_near alice && wait_until 30 is_near bob; } || {
  cat ./*.log >&2
  exit 1
}
kill -KILL "$bob"
cp "$rules" credd.rules.yml
cat >prometheus.yml <<YAML
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [credd.rules.yml]
scrape_configs: [{job_name: node, static_configs: [{targets: ['$EXPORTER']}]}]
YAML
background prometheus-node-exporter --collector.disable-defaults --collector.textfile \
  --collector.textfile.directory="$dir/textfiles" --web.listen-address="$EXPORTER"
background prometheus --config.file=prometheus.yml --storage.tsdb.path=tsdb --web.listen-address="$PROMETHEUS"
"$here/page-shot" "http://$PROMETHEUS/classic/alerts" "$file" 1100x960 \
  "document.querySelector('.alert-danger.alert_header') && document.querySelector('.alert-warning.alert_header')" \
  "\$('.alert-danger.alert_header').click(); \$('div.show-annotations').click()"
