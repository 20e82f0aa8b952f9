# Completion of adit for bash. Printed by "adit completion bash".

# What is proposed for the values of flags: sets flags, valued, kind and words for a command and one of its flags.
_adit_flag() {
  local command=$1 flag=$2
  flags='' valued='' kind='' words=''
  case $command in
@CASES@  esac
}

# The hosts, behind a user@ that is typed already.
_adit_hosts() {
  local program=$1 typed=$2 config=$3 prefix=''
  if [[ $typed == *@* ]]; then
    prefix=${typed%@*}@
    typed=${typed##*@}
  fi
  mapfile -t COMPREPLY < <(compgen -P "$prefix" -W "$("$program" completion hosts ${config:+-F "$config"} 2>/dev/null)" -- "$typed")
}

_adit_files() {
  mapfile -t COMPREPLY < <(compgen -f -- "$1")
  compopt -o filenames 2>/dev/null
}

_adit() {
  local line word current='' program=${COMP_WORDS[0]} flags valued kind words
  local -a typed=()
  COMPREPLY=()

  # The words as a shell has them: readline also cuts at '=', ':' and '@'.
  line=${COMP_LINE:0:COMP_POINT}
  [[ $program == '~'* ]] && program=$HOME${program#'~'}
  read -r -a typed <<<"$line"
  if [[ $line == *[[:blank:]] ]]; then
    typed+=('')
  fi
  local last=$((${#typed[@]} - 1))
  current=${typed[last]}

  if ((last < 1)); then
    return
  fi
  local command=${typed[1]}
  if ((last == 1)) && [[ $current != -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W '@COMMANDS@' -- "$current")
    return
  fi
  local first=2
  if [[ $command == -* ]]; then
    command=ssh
    first=1
  fi

  case $command in
    help) mapfile -t COMPREPLY < <(compgen -W '@COMMANDS@' -- "$current") ;;
    completion) mapfile -t COMPREPLY < <(compgen -W 'bash zsh fish' -- "$current") ;;
    man) mapfile -t COMPREPLY < <(compgen -W 'ssh sshd keygen sshd_config' -- "$current") ;;
    demo) mapfile -t COMPREPLY < <(compgen -W '--once --port --help' -- "$current") ;;
    ssh | sshd | keygen) ;;
    *) return ;;
  esac
  [[ $command == ssh || $command == sshd || $command == keygen ]] || return

  # What was typed before: which flag waits for a value, whether the host is there, and -F.
  local i letter waiting='' host='' config=''
  _adit_flag "$command" ''
  for ((i = first; i < last; i++)); do
    word=${typed[i]}
    if [[ -n $waiting ]]; then
      [[ $waiting == -F ]] && config=$word
      waiting=''
    elif [[ $word == --* ]]; then
      continue
    elif [[ $word == -?* ]]; then
      word=${word:1}
      while [[ -n $word ]]; do
        letter=${word:0:1}
        word=${word:1}
        if [[ $valued == *$letter* ]]; then
          if [[ -z $word ]]; then
            waiting=-$letter
          elif [[ $letter == F ]]; then
            config=$word
          fi
          break
        fi
      done
    else
      host=${host:-$word}
    fi
  done
  [[ $command == ssh ]] || config=''
  [[ $config == '~/'* ]] && config=$HOME/${config:2}

  if [[ -z $waiting ]]; then
    if [[ $current == -* ]]; then
      mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$current")
    elif [[ $command == ssh && -z $host ]]; then
      _adit_hosts "$program" "$current" "$config"
    elif [[ $command == ssh ]]; then
      _adit_files "$current"
    fi
  else
    _adit_flag "$command" "$waiting"
    case $kind in
      file) _adit_files "$current" ;;
      folder) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
      host) _adit_hosts "$program" "$current" "$config" ;;
      user) mapfile -t COMPREPLY < <(compgen -u -- "$current") ;;
      choice) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current") ;;
      keyword)
        if [[ $current != *=* ]]; then
          local matching
          shopt -q nocasematch && matching=-s || matching=-u
          shopt -s nocasematch
          for word in $words; do
            [[ $word == "$current"* ]] && COMPREPLY+=("$word=")
          done
          shopt "$matching" nocasematch
          compopt -o nospace 2>/dev/null
        fi
        ;;
      hosts | choices)
        local before=''
        if [[ $current == *,* ]]; then
          before=${current%,*},
        fi
        if [[ $kind == hosts ]]; then
          _adit_hosts "$program" "${current##*,}" "$config"
        else
          mapfile -t COMPREPLY < <(compgen -W "$words" -- "${current##*,}")
        fi
        COMPREPLY=("${COMPREPLY[@]/#/$before}")
        compopt -o nospace 2>/dev/null
        ;;
    esac
  fi

  # readline replaces only what stands behind its last cut.
  local cut=${COMP_WORDS[COMP_CWORD]}
  if [[ $cut == [=:@] ]]; then cut=''; fi
  if [[ $current != "$cut" && $current == *"$cut" ]]; then
    local replaced=${current%"$cut"}
    COMPREPLY=("${COMPREPLY[@]#"$replaced"}")
  fi
}

complete -F _adit adit
