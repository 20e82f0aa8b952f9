# Completion of adit for fish. Printed by "adit completion fish".

# The command that is typed: flags before any command are ssh's.
function __adit_command
    set -l words (commandline -opc)
    if test (count $words) -lt 2
        set -l current (commandline -ct)
        string match -q -- '-*' "$current"; and echo ssh
        return
    end
    if string match -q -- '-*' $words[2]
        echo ssh
    else
        echo $words[2]
    end
end

function __adit_needs_command
    test (count (commandline -opc)) -lt 2
end

function __adit_in
    test "$(__adit_command)" = $argv[1]
end

function __adit_hosts
    set -l words (commandline -opc)
    set -l program (string replace -r '^~' $HOME -- $words[1])
    set -l options
    if set -l at (contains -i -- -F $words); and test (count $words) -gt $at
        set options -F (string replace -r '^~' $HOME -- $words[(math $at + 1)])
    end
    # What is typed already stays before each host: "user@", and hosts with commas behind them.
    set -l before (string match -r -- '^.*[@,]' (commandline -ct))
    for host in ($program completion hosts $options 2>/dev/null)
        echo -- "$before$host"
    end
end

complete -c adit -f
complete -c adit -n '__adit_needs_command' -a '@COMMANDS@'
complete -c adit -n '__adit_in help' -a '@COMMANDS@'
complete -c adit -n '__adit_in completion' -a 'bash zsh fish'
complete -c adit -n '__adit_in man' -a 'ssh sshd keygen sshd_config'
complete -c adit -n '__adit_in demo' -l once -d 'leave at once'
complete -c adit -n '__adit_in demo' -l port -x -d 'listen on this port'
complete -c adit -n '__adit_in ssh' -a '(__adit_hosts)'
@CASES@
