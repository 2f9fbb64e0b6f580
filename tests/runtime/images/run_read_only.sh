#!/bin/sh
# Run a command in the mounted files of an image, as a container would: ROOT FOLDER USER [NAME=VALUE …] COMMAND …
# Call it by `unshare --mount`. Only /tmp can be written, and the command has no rights of root.
set -eu
root=$1 folder=$2 user=$3
shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs -o size=16m tmpfs "$root/tmp"
mount -o remount,ro,bind "$root"
exec chroot "$root" env --chdir="$folder" setpriv --reuid="$user" --regid="$user" --clear-groups --no-new-privs \
  --bounding-set=-all env "$@"
