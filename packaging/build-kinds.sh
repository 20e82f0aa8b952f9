# shellcheck shell=bash
# The kinds of build, for ./adit and ./package, which source this when they build.
#
# Machine code of the whole program (aot) starts in a fifth of the time and needs no runtime, but its compiler is a package and a linker
# that may not be there; ReadyToRun's (r2r) is a package too; the runtime's own compiler (jit) is always there. ADIT_BUILD names one.

# Publishes the program as the best kind that comes about; its name is in FOLDER/.kind then.
# publish_best ROOT RID FOLDER ARTIFACTS LOG SELF_CONTAINED [OPTION…]
#   ARTIFACTS: obj and bin of its own, so that a build of the solution running at the same time is not disturbed
#   SELF_CONTAINED: true or false, for the kinds that need a runtime
publish_best() {
  local root=$1 rid=$2 folder=$3 artifacts=$4 log=$5 contained=$6 kind kinds=(r2r jit) options
  shift 6
  if command -v clang >/dev/null || command -v gcc >/dev/null; then kinds=(aot r2r jit); fi
  [[ -z ${ADIT_BUILD-} ]] || kinds=("$ADIT_BUILD")
  for kind in "${kinds[@]}"; do
    options=()
    case $kind in
      aot) options=(-p:PublishAot=true) ;;
      r2r) options=(--self-contained "$contained" -p:PublishReadyToRun=true) ;;
      jit) options=(--self-contained "$contained" -p:PublishReadyToRun=false) ;;
    esac
    rm -rf "$folder"
    if dotnet publish "$root/src/Adit.Cli/Adit.Cli.csproj" -c Release -r "$rid" "${options[@]}" "$@" \
      --artifacts-path "$artifacts/$kind" -o "$folder" -v quiet --nologo >"$log" 2>&1; then
      echo "$kind" >"$folder/.kind"
      return 0
    fi
    # What another compiler would not mend is said at once.
    grep -qiE 'ilcompiler|crossgen|linker|\b(gcc|clang|ld)\b' "$log" || return 1
    cp "$log" "$log.$kind"
  done
  return 1
}
