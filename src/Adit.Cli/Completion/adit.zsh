#compdef adit
# Completion of adit for zsh. Printed by "adit completion zsh"; to be put into a folder of $fpath as _adit.

_adit_hosts() {
  local -a hosts
  hosts=(${(f)"$($_adit_program completion hosts ${_adit_config:+-F} $_adit_config 2>/dev/null)"})
  compadd -- $hosts
}

# A host, behind user@ too.
_adit_destination() {
  if compset -P '*@'; then
    _adit_hosts
  else
    _adit_hosts
    compset -S '@*' || true
  fi
}

# What comes first is a host, and what comes behind it a command for there.
_adit_operands() {
  if [[ $1 == ssh ]]; then
    _adit_destination
  else
    return 1
  fi
}

_adit() {
  local _adit_program=${(Q)words[1]} _adit_config= command
  local -a flags commands
  _adit_program=${_adit_program/#\~/$HOME}
  commands=(@COMMANDS@)
  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
    compadd -- $commands
    return
  fi

  command=$words[2]
  if [[ $command == -* ]]; then
    command=ssh
  else
    shift words
    (( CURRENT-- ))
  fi
  local at=$words[(I)-F]
  if [[ $command == ssh ]] && (( at > 0 && at + 1 < CURRENT )); then
    _adit_config=${${(Q)words[at+1]}/#\~/$HOME}
  fi

  case $command in
@CASES@    help) compadd -- $commands; return ;;
    completion) compadd -- bash zsh fish; return ;;
    man) compadd -- ssh sshd keygen sshd_config; return ;;
    demo) flags=('--once[leave at once]' '--port[listen on this port]:port: ' '--help[print the page]') ;;
    *) return 1 ;;
  esac

  if [[ $command == ssh ]]; then
    _arguments -s -S : $flags ':destination:_adit_destination' '*:command:_files'
  else
    _arguments -s -S : $flags
  fi
}

if [[ $funcstack[1] == _adit ]]; then
  _adit "$@"
else
  compdef _adit adit
fi
