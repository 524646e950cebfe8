//! The pieces that generated files are made of.

/// Unquoted text.
#[rustfmt::skip]
pub const TEXTS: &[&str] = &[
    "abc", "x", "1", "sk-ant-123", "a.b/c:d", "v=1", "a==b", "", "0", "a@b", "50%", "a,b", "a+b", "-x", "--", "a:~/b",
    "a~b", "~", "~/x", "~root", "=ls", "=", ":=q", "*", "a*b", "[x]", "a?b", "{a,b}", "{x}", "{1..3}", "a}b", "{",
    "}", "#c", "a#b", "^x", "!x", "a!b", "\u{e9}\u{4e2d}", "\u{201c}q\u{201d}", "a\rb", "x\u{a0}y", "%HOME%", "@",
];

/// What may stand in single quotes.
#[rustfmt::skip]
pub const SINGLE: &[&str] = &[
    "abc", "a b", "$HOME", "`id`", "a\\nb", "\\", "\"", "a#b", " ", "", "l1\nl2", "export KEY=no", "K=5", "* ?",
];

/// What may stand in double quotes.
#[rustfmt::skip]
pub const DOUBLE: &[&str] = &[
    "abc", "a b", "$HOME", "${HOME}/x", "$A", "${B}", "\\$A", "\\\"", "\\\\", "\\n", "a!b", "it's", "`:`", "$(:)",
    "$", "a$", "$%x", "$.x", "$5", "$$", "$#", "$A[1]", "$A:t", "$A:h/x", "$A:/", "$+A", "$=A", "$~A", "$^A",
    "${A:-x y}", "${A-x}", "${B:+y}", "${FOO:=z}", "${#A}", "${A%b}", "\\\n", "l1\nl2", "$((1+1))", "${A:-${B:-d}}",
    "a#b",
];

/// Unquoted expansions.
#[rustfmt::skip]
pub const BARE: &[&str] = &[
    "$A", "$B", "$HOME", "${A}", "${HOME}x", "$A$B", "${A:-x}", "${A-x}", "${A:=q}", "${A=q}", "${B:+alt}",
    "${B+alt}", "${FOO:?no}", "${FOO?no}", "${A:-$B}", "${A:-'q r'}", "${A:-\"q r\"}", "${A:-a b}", "${A:-~}",
    "${A:-~/x}", "${A:-=ls}", "${A:-a;b}", "${A:-(x)}", "${A:-{x}}", "${A:-\\}x}", "${A:-#x}", "${A#x}", "${A%%*}",
    "${A/x/y}", "${A^^}", "${A:1:2}", "${!A}", "${(U)A}", "${A B}", "${A[0]}", "$A[1]", "$A:t", "$+A", "$(:)", "`:`",
    "$(echo x)", "$((2+3))", "$((KEY=5))", "$[1+2]", "$'a\\tb'", "$'q\\'r'", "$'\\x41\\101'", "$'\\e[0m'", "$'\\z'",
    "$\"tr\"", "$", "$1", "$_", "$?",
];

/// Statements of all kinds.
#[rustfmt::skip]
pub const STATEMENTS: &[&str] = &[
    "unset KEY", "unset -v A B", "unset FOO", "unset -f f", "unset 'A[1]'", "export KEY", "export A B",
    "export -n KEY", "export -- KEY", "export -p", "readonly A", "readonly B=ro", "declare KEY", "declare -x A",
    "declare -i A", "typeset -gx KEY=tg", "typeset +x A", "typeset -u A", "local A=1", "set -a", "set +a",
    "set -o allexport", "set +o allexport", "set -e", "set -u", "set +u", "set -o pipefail", "set +o history",
    "set -ax", "set -x A v", "set -gx KEY v", "set -A A x", "set -- a b", "setopt nosuch", "setopt prompt_subst",
    "shopt -s extglob", ":", "true", "false", "echo hi", "[ -d / ]", "test -f x", "[ a = b ]", "[ a == b ]",
    "[ -n \"$A\" ]", "[[ -n $A ]]", "[[ $A == b* ]]", "[[ $A =~ ^x ]]", "[[ a ]]", "[[ $A -gt 3 ]]", "((A=1))",
    "((1))", "let A=2", "(KEY=sub)", "( export KEY=sub )", "{ KEY=grp; }", "{ :; }", "f() { KEY=fn; }",
    "function g { export A=fn; }", "f", "g", "h() { local KEY=x; return; }", "h", "alias ll='ls -l'", "alias f=g",
    "ll", "alias export=echo", "nosuchcmd", "nosuchcmd a* b", "/nonexistent/cmd x", "$A", "$A KEY=x", "\"$A\" x",
    "return", "return 1", "exit", "exit 3", "eval KEY=ev", "eval 'export A=ev'", ". ./nosuch", "source nosuch",
    "read A", "printf -v A x", "printf '%s' x", "getopts a A", "trap ':' EXIT", "trap 'KEY=t' USR1", "cd /",
    "umask 077", "PATH=/x:$PATH", "PS1='$ '", "path=/q", "UID=5", "status=1", "HISTSIZE=100", "IFS=:", "LC_ALL=C",
    "echo {a,b}", "echo }", "echo {", "KEY= true", "KEY=tmp :", "KEY=tmp f", "A=1 B=2 nosuchcmd", "A=tmp export KEY",
    "KEY = v", "KEY= v", "KEY=abc def", "$KEY=v", "builtin export KEY=bi", "command export KEY=co", "\\export KEY=bs",
    "'export' KEY=qu", "wait", "time export A=ti", "! export A=neg", "A=(x y)", "A=(x *)", "A[0]=e",
];

/// What breaks a file.
#[rustfmt::skip]
pub const JUNK: &[&str] = &[
    "fi", "done", "}", ")", ";;", "(", "if", "<<<<<<< HEAD", "=======", ">>>>>>> x", "&& A=1", "| A=1", "A=x(y)", "{",
    "case", "[default]", "<!DOCTYPE html>", "then", "'", "\"", "`", "$(", "${", "KEY=${A", "foreach x (a b)", "end",
];

/// Statements where one of the shells does something that isn't obvious.
#[rustfmt::skip]
pub const TRAPS: &[&str] = &[
    "FOO='KEY=5'; ((FOO))", "FOO='KEY=5'; A=$((FOO))", "FOO='KEY=5'; [ 1 -eq FOO ]", "FOO='KEY=5'; [[ FOO -eq 1 ]]",
    "((KEY++))", "A=$((KEY=3))", "let 'KEY=4'", "[ $A -gt 3 ]", "A=$[KEY=2]", "A=${B:KEY=1}", "A=$B[KEY=1]",
    "export K\"EY\"=glued", "ex''port KEY=glued", "export KEY\\\n=cont", "KE\\\nY=cont", "i\\\nf true", "$\\\nA",
    "export KEY=a >! out", "export KEY=a >| out", "export KEY=a >&2", "export KEY=a 12>/dev/null",
    "export KEY=a <>out", "export KEY=a &>/dev/null", "export KEY=a <<<x", "exec 2>/dev/null", "exec {KEY}>out",
    "{KEY}>out :", ">out KEY=r", "KEY=r >/dev/null", ">/dev/null export KEY=~/r", "<nosuch KEY=r",
    "cat <<E; KEY=h\nx\\\nE\nKEY=h2\nE", "cat <<E\n${KEY:=h}\nE", "cat <<E\n$A[KEY=1]\nE", "cat <<'E'\n${KEY:=h}\nE",
    "cat <<-E\n\t$(:)\n\tE", "cat <<E\n`if`\nE", "cat <<E <<F\n$A\nE\n${B:=f}\nF", "A=$(cat <<E\nx\nE\n)", "A=`if`",
    "A=`echo \"a\"`", "A=\"`echo \"a\"`\"", ": ${KEY:=colon}", ": \"${KEY:=colon}\"", ": ${KEY:?msg}",
    ": ${FOO:?${KEY:=q}}", ": ${FOO:-${KEY:=q}}", "[[ -n ${KEY:=t} ]]", "case ${KEY:=c} in c) A=c;; esac",
    "case x in ${KEY:=c}) ;; esac", "for A in ${KEY:=w}; do :; done", "nosuchcmd ${KEY:=arg}",
    "nosuchcmd >${KEY:=out}", "export A=${KEY:=e} KEY", "A=1 B=$A KEY=$B", "export A=1 KEY=$A", "export KEY KEY=two",
    "export -- -x KEY=1", "export KEY=1 -n", "export -x KEY=1", "export -g KEY=1", "export -f nosuch",
    "declare -gx KEY=1 A", "declare +x KEY", "declare -r KEY=ro; KEY=x", "readonly KEY; export KEY=x",
    "readonly KEY; unset KEY", "typeset -T KEY key", "typeset -m 'K*'", "unset -m 'K*'", "typeset -x",
    "declare -p KEY", "export {KEY,A}=br", "export KEY={a,b}", "export KEY=a{b}c", "export $FOO", "export ${FOO}=x",
    "export \"$FOO=x\"", "export KEY=$A*", "export KEY=*.nosuch", "export KEY=[ab", "export KEY=a=~/x", "KEY=a:~/x:~",
    "KEY=:=ls", "KEY=a:=nosuch", "KEY=\"\"~/x", "KEY=$B~/x", "KEY=\":\"~/x", "KEY=$B=nosuch", "KEY=\"$A\"=ls",
    "KEY=~nosuchuser", "KEY=~+", "nosuchcmd ~nosuchuser", "nosuchcmd =nosuch", "[ a == b ]", "[ x = y* ]",
    "test a == b", "[[ a == =b ]]", "[[ ! -n $A && -z x ]]", "[[ ( -n $A ) || x = y ]]", "[[ $A < b ]]",
    "[[ a -nosuch b ]]", "[[ -v KEY ]]", "[[ -o nosuch ]]", "[[ $A = (a|b) ]]", "f() { return; KEY=no; }; f",
    "f() { [ -f x ] && return; export KEY=fn; }; f", "f() { KEY=a*; ls a*; }; f", "f() { exit; }; f",
    "f() { typeset KEY=l; }; f", "f() { local KEY; KEY=l; }; f", "KEY=pre f", "KEY=pre eval :", "KEY=pre . ./nosuch",
    "KEY=pre set -a", "KEY=pre unset A", "KEY=pre exec", "KEY=pre return", "KEY=pre cd /", "KEY=pre export A",
    "KEY=pre read A", "echo x | read KEY", "echo x | while read KEY; do :; done", "true | KEY=p", "KEY=p | true",
    "true && KEY=a &", "KEY=a & KEY=b", "if KEY=c; then A=1; fi", "while KEY=w; do break; done",
    "until KEY=w; do :; done", "for KEY in a b; do :; done", "for KEY do :; done",
    "for ((KEY=0; KEY<2; KEY++)); do :; done", "select KEY in a; do break; done", "case a in (a) KEY=c;; esac",
    "case a in b) KEY=c;& a) ;; esac", "time KEY=t", "time -p export KEY=t", "! KEY=n", "! ! KEY=n",
    "nocorrect export KEY=z", "noglob export KEY=z", "- export KEY=z", "repeat 2 export KEY=z", "coproc :",
    "emulate sh", "setopt shwordsplit", "setopt rc_quotes", "set -P", "set -f", "set -k", "set -h", "set +e",
    "set -eu", "set -o posix", "set -o nosuch", "set -Z", "shopt -s nosuch", "alias KEY=x",
    "alias A='export KEY=al'; A", "alias f='KEY=al'\nf", "alias x='y '", "unalias -a", "hash -r", "trap 'KEY=t' EXIT",
    "trap 'KEY=t' DEBUG", "trap - EXIT", "trap 'KEY=t' CHLD", "histchars='!^%'", "POSIXLY_CORRECT=1", "options=x",
    "aliases=x", "commands=x", "PPID=3", "SHELLOPTS=x", "RANDOM=5", "LINENO=5", "HISTSIZE=x+", "HISTSIZE=",
    "COLUMNS=ab", "IFS=", "OPTIND=a", "SECONDS=x", "LANG=nosuch", "PROMPT='%n'", "PS4='$(KEY=x)'", "argv=x", "_=x",
    "HOME=/else", "HOME=/else KEY=~/h", "unset HOME", "unset HOME; KEY=~/h", "unset PATH", "unset UID", "unset IFS",
    "cd nosuch", "printf -vKEY x", "printf -v KEY x", "printf -- x", "printf \"-v$A\" KEY", "print -v KEY x",
    "read -rA KEY", "read -r KEY A", "wait -p KEY", "getopts a: KEY", "mapfile KEY", "integer KEY=1", "float A=1",
    "vared KEY", "KEY+=more", "KEY=x; KEY+=y", "A+=(z)", "KEY[1]=e", "KEY=(a b)", "export KEY=(a b)", "A=(x y); A=z",
    "A=(x y); export A=z", "KEY=(a)b", "A=([k]=v)", "A=($B)", "return $A", "return KEY=1", "exit KEY=1", "break",
    "continue 2", "shift", "shift 5", "return 300", "logout", "suspend_", "eval", "eval ''", "eval \"KEY=$A\"", ".",
    "source /dev/null", ". /dev/null KEY=x", "command :", "command -v ls", "command unset KEY", "command KEY=x",
    "builtin :", "builtin nosuch", "builtin unset KEY", "command eval KEY=x", "\\unset KEY", "'unset' KEY",
    "$FOO unset KEY", "~/nosuch KEY", "\"$HOME/nosuch\" KEY", "$HOME/nosuch KEY", "./nosuch", "[", "]", "[ x",
    "{ KEY=g }", "{ KEY=g; } KEY=h", "(KEY=s) KEY=t", "KEY=$B\u{e9}", "KEY=${B}\u{e9}", "B\u{e9}=1", "KEY=$'\\c'",
    "KEY=$'\\0'", "KEY=$'\\400'", "KEY=$'\\xff'", "KEY=$'\\u41'", "KEY=$'\\\"'", "KEY=$'a\nb'", "KEY=$\"a\"",
    "KEY=\"$'a'\"", "KEY=\"${A:-'q'}\"", "KEY=\"${A:-\"q\"}\"", "KEY=${A:-\"$B\"}", "KEY=\"${A:-\\a}\"",
    "KEY=${A:-\\a}", "KEY=${A:-$'x'}", "KEY=${A:-`:`}", "KEY=${A:-$(:)}", "KEY=${A:-a\\\nb}", "KEY=${A:-\n}",
    "KEY=${A:+a}${A:-b}", "unset A B; KEY=${A:-${B:-${FOO:-deep}}}", "set -u; KEY=$A", "set -u; unset A; KEY=$A",
    "set -e; false; KEY=no", "set -e; [ -f x ] && :",
];
