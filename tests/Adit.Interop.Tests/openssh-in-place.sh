#!/bin/sh
# Runs OpenSSH where the tests expect adit: ADIT_EXE=tests/Adit.Interop.Tests/openssh-in-place.sh ./test …
# shows whether a test can pass at all.
word=$1
shift
case $word in
  ssh) exec ssh "$@" ;;
  keygen) exec ssh-keygen "$@" ;;
  sshd) mkdir -p /run/sshd && exec /usr/sbin/sshd "$@" ;;
  *) echo "openssh-in-place: OpenSSH has no $word" >&2; exit 1 ;;
esac
