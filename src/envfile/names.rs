//! Variables that belong to one of the shells.

/// What kind of variable a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The file decides its value.
    File,
    /// A shell sets it, converts what is assigned to it, or refuses the assignment.
    Shell,
    /// Assigning it changes how the shell reads or runs what follows.
    Reading,
}

/// Variables that a shell sets, converts or protects.
const SHELL: &str = " _ ARGC BASHOPTS BASHPID BASH BASH_ALIASES BASH_ARGC BASH_ARGV BASH_ARGV0 BASH_CMDS BASH_COMMAND \
    BASH_EXECUTION_STRING BASH_LINENO BASH_LOADABLES_PATH BASH_MONOSECONDS BASH_REMATCH BASH_SOURCE BASH_SUBSHELL \
    BASH_TRAPSIG BASH_VERSINFO BASH_VERSION BASH_XTRACEFD BAUD COLUMNS COMP_CWORD COMP_KEY COMP_LINE COMP_POINT \
    COMP_TYPE COMP_WORDBREAKS COMP_WORDS COMPREPLY COPROC CPUTYPE DIRSTACK DIRSTACKSIZE EGID EPOCHREALTIME \
    EPOCHSECONDS ERRNO EUID FUNCNAME FUNCNEST GID GROUPS HISTCMD HISTSIZE HISTFILESIZE HOST HOSTNAME HOSTTYPE IFS \
    KEYTIMEOUT LINENO LINES LISTMAX LOGCHECK MACHTYPE MAILCHECK MAPFILE MATCH MBEGIN MEND NULLCMD OLDPWD OPTARG \
    OPTERR OPTIND OSTYPE PIPESTATUS POSTEDIT PPID PROMPT PROMPT2 PROMPT3 PROMPT4 PS1 PS2 PS3 PS4 PWD RANDOM \
    READLINE_ARGUMENT READLINE_LINE READLINE_MARK READLINE_POINT READNULLCMD REPLY REPORTMEMORY REPORTTIME RPROMPT \
    RPROMPT2 RPS1 RPS2 SAVEHIST SECONDS SHELLOPTS SHLVL SPROMPT SRANDOM TERM TERMINFO TERMINFO_DIRS TIMEFMT TMOUT \
    TRY_BLOCK_ERROR TRY_BLOCK_INTERRUPT TTY TTYIDLE UID USERNAME VENDOR WORDCHARS ZSH_ARGZERO ZSH_EVAL_CONTEXT \
    ZSH_EXECUTION_STRING ZSH_NAME ZSH_PATCHLEVEL ZSH_SCRIPT ZSH_SUBSHELL ZSH_VERSION argv builtins commands \
    epochtime errnos funcfiletrace funcsourcetrace funcstack functrace galiases history historywords jobdirs \
    jobstates jobtexts keymaps langinfo match mbegin mend modules nameddirs parameters patchars pipestatus prompt \
    psvar PSVAR reply reswords saliases signals status sysparams termcap terminfo userdirs usergroups widgets \
    zsh_eval_context zsh_scheduled_events \
    cdpath CDPATH fignore FIGNORE fpath FPATH mailpath MAILPATH manpath MANPATH module_path MODULE_PATH path watch \
    WATCH dis_aliases dis_builtins dis_functions dis_functions_source dis_galiases dis_patchars dis_reswords \
    dis_saliases functions_source GLOBIGNORE GLOBSORT ";

/// Variables that change how a shell goes on reading the file.
const READING: &str = " BASH_COMPAT HISTCHARS KEYBOARD_HACK POSIXLY_CORRECT aliases functions histchars options ";

/// Variables of the shell that take any text.
const TEXT: &str = " CDPATH FPATH IFS MAILPATH MANPATH NULLCMD PROMPT PROMPT2 PROMPT3 PROMPT4 PS1 PS2 PS3 PS4 READNULLCMD \
    RPROMPT RPROMPT2 RPS1 RPS2 SPROMPT TERM TIMEFMT WORDCHARS prompt ";

/// Variables of the shell that take any number.
const NUMBER: &str = " HISTFILESIZE HISTSIZE KEYTIMEOUT LISTMAX REPORTTIME SAVEHIST TMOUT ";

/// Whether a variable of the shell takes any text.
pub(super) fn takes_text(name: &[u8]) -> bool {
    listed(TEXT, name)
}

/// Whether a variable of the shell takes any number.
pub(super) fn takes_number(name: &[u8]) -> bool {
    listed(NUMBER, name)
}

fn listed(list: &str, name: &[u8]) -> bool {
    list.split_ascii_whitespace().any(|listed| listed.as_bytes() == name)
}

/// Whose variable `name` is.
pub(super) fn owner(name: &[u8]) -> Owner {
    if listed(READING, name) {
        Owner::Reading
    } else if listed(SHELL, name) {
        Owner::Shell
    } else {
        Owner::File
    }
}
