# credd: a shell that stays open has the keys of the tracked files anew at its next prompt.
function __credd
    command @CREDD@ $argv
end
set -g __credd_watch
set -g __credd_pending
set -g __credd_told ''
set -g __credd_until 0

# One file and its stamp after the other. Nothing is run unless one differs, or another day has come.
function __credd_hook --on-event fish_prompt
    set -l __credd_changed $__credd_pending
    set -l __credd_i 1
    while test $__credd_i -lt (count $__credd_watch)
        set -l __credd_file $__credd_watch[$__credd_i]
        set -l __credd_stamp $__credd_watch[(math $__credd_i + 1)]
        if test $__credd_file -nt $__credd_stamp; or test $__credd_file -ot $__credd_stamp
            set -a __credd_changed $__credd_file
        end
        set __credd_i (math $__credd_i + 2)
    end
    # The time, as no builtin says it: the age of something and when that began.
    set -l __credd_now (math (path mtime /) + (path mtime -R /))
    if test (count $__credd_changed) -gt 0 -o $__credd_now -ge $__credd_until; and test -x @EXE@
        set -l __credd_code (__credd hook fish --look $fish_pid --told "$__credd_told" -- $__credd_changed | string collect -a; test $pipestatus[1] -eq 0)
        if test $status -eq 0
            echo $__credd_code | source
        else
            set -g __credd_watch
            set -g __credd_pending
            set -g __credd_until 99999999999
        end
    end
end

# FILE, then KEY VARIABLE any number of times: takes what is in this shell. A value is never code.
function __credd_take
    set -l __credd_file $argv[1]
    set -l __credd_all
    set -e argv[1]
    while set -q argv[2]
        set -l __credd_key $argv[1]
        set -l __credd_name $argv[2]
        set -e argv[1..2]
        set -q $__credd_name; or continue
        set -l __credd_value (__credd exec $__credd_key -- /bin/sh -c "printf %s \"\$$__credd_name\"" | string collect -N -a; test $pipestatus[1] -eq 0)
        or break
        test "$$__credd_name" = "$__credd_value"; and continue
        if set -qx $__credd_name
            set -gx $__credd_name $__credd_value
        else
            set -g $__credd_name $__credd_value
        end
        and set -a __credd_all $__credd_name
    end
    if set -q __credd_all[1]
        echo "credd: this shell has "(string join ', ' $__credd_all)" anew from $__credd_file" >&2
    end
end
