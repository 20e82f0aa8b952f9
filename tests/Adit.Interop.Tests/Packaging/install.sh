#!/bin/bash
# Installs the package named in a copy of this machine that nobody else sees (an overlay in a mount namespace of its own), and takes it away again.
# Prints one line for each thing that is not as it should be, and "done" at the end.
set -u
package=$1 scratch=$2
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C
if [[ ${3-} != inside ]]; then exec unshare --mount --propagation private "$BASH" "$0" "$package" "$scratch" inside; fi

mount -t tmpfs tmpfs "$scratch" && mkdir "$scratch"/{up,work,root} || { echo "cannot: mount"; exit; }
root=$scratch/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/up,workdir=$scratch/work" "$root" 2>/dev/null || { echo "cannot: overlay"; exit; }
mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mkdir -p "$root/run" && mount -t tmpfs tmpfs "$root/run"
in_root() { chroot "$root" "$@"; }
wrong() { echo "wrong: $*"; }
must() { "$@" >"$scratch/log" 2>&1 || { wrong "$* ended with $?"; cat "$scratch/log"; }; }

in_root dpkg --purge --force-depends adit >/dev/null 2>&1 # this machine's own, in the copy
cp "$package" "$root/root/adit.deb"
# What other runs of the tests make meanwhile is in the copy as well: network namespaces, services of PAM's, users on their way into the files.
listing() { (cd "$root" && find etc usr lib bin sbin opt var/lib -xdev \( -path etc/netns -o -path etc/pam.d/adit\* -o -path 'etc/security/*/adit-test*' -o -path 'etc/*[+.]lock' -o -path 'etc/*+' -o -path 'etc/.pwd.lock' -o -path var/lib/dpkg -o -path var/lib/adit-t\* -o -path var/cache \) -prune -o \( -type f -o -type l -o -type d \) -print 2>/dev/null | sort); }
listing >"$scratch/before"

# The ports that its services would take are somebody else's.
python3 -c 'import socket,time
for p in (2022,2200):
    s=socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try: s.bind(("0.0.0.0",p)); s.listen()
    except OSError: pass
    globals()["s%d"%p]=s
time.sleep(300)' &
taken=$!
trap 'kill $taken' EXIT

must in_root dpkg --force-depends -i /root/adit.deb
[[ $(in_root dpkg-query -W -f '${Status}' adit) == "install ok installed" ]] || wrong "status $(in_root dpkg-query -W -f '${Status}' adit)"
in_root dpkg --verify adit | grep . && wrong "dpkg --verify"
in_root env -i PATH=/usr/bin:/bin adit --version | grep -q '^adit ' || wrong "adit --version"
in_root env -i PATH=/usr/lib/adit/bin:/usr/bin ssh -V 2>&1 | grep -q '^Adit_' || wrong "ssh -V through the link"
in_root env -i PATH=/usr/bin /usr/lib/adit/bin/sshd -V 2>&1 | grep -q '^Adit_' || wrong "sshd -V through the link"
if [[ -x $root/usr/bin/man ]]; then
  for page in "1 adit" "1 adit-ssh" "1 adit-keygen" "5 adit-sshd_config" "8 adit-sshd"; do
    # shellcheck disable=SC2086
    [[ $(in_root man -P cat $page 2>/dev/null | wc -l) -gt 20 ]] || wrong "man $page"
  done
fi
in_root getent passwd adit-gateway | grep -q ':/var/lib/adit-gateway:/usr/sbin/nologin$' || wrong "no user adit-gateway"
[[ -z $(find "$root"/etc/systemd/system -name 'adit-*' 2>/dev/null) ]] || wrong "a service is enabled"
if [[ -x $root/usr/bin/systemd-analyze ]]; then
  for unit in adit-sshd adit-gateway; do
    in_root systemd-analyze verify "/lib/systemd/system/$unit.service" 2>&1 | grep "$unit" && wrong "systemd-analyze verify $unit"
  done
fi

# Again, and over a configuration that was changed: it stays.
uid=$(in_root id -u adit-gateway)
echo "# mine" >>"$root/etc/adit/sshd_config"
must in_root dpkg --force-depends --force-confdef --force-confold -i /root/adit.deb
must in_root /var/lib/dpkg/info/adit.postinst configure 0.0.1
[[ $(in_root id -u adit-gateway) == "$uid" ]] || wrong "another user than before"
tail -n 1 "$root/etc/adit/sshd_config" | grep -q '^# mine$' || wrong "a changed configuration was overwritten"

# What the gateway leaves, and what goes when.
mkdir -p "$root/var/lib/adit-gateway" && touch "$root/var/lib/adit-gateway/host_key"
must in_root dpkg --remove adit
[[ -e $root/etc/adit/sshd_config && -e $root/etc/adit/gateway_keys && -e $root/var/lib/adit-gateway/host_key ]] || wrong "remove took configuration or keys"
[[ ! -e $root/usr/bin/adit && ! -e $root/usr/lib/adit ]] || wrong "remove left the program"
must in_root dpkg --purge adit
# The user stays, as its files might: Debian's policy. Its lines are in files of the system's.
listing | comm -13 "$scratch/before" - | grep -v -E '^(etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|var/lib/(systemd|man-db|command-not-found))' && wrong "purge left that"
listing | comm -23 "$scratch/before" - | grep . && wrong "purge took that"
echo done
