#!/bin/sh
# Run a command in the mounted files of an image, as a container would:
# ROOT FOLDER USER RIGHTS MOUNTS [NAME=VALUE …] COMMAND …
# Call it by `unshare --mount`. RIGHTS is setpriv's list of capabilities, MOUNTS a list of SOURCE:TARGET[:ro] with commas,
# in which tmpfs is a source. Only these mounts can be written.
set -eu
root=$1 folder=$2 user=$3 rights=$4 mounts=$5
shift 5
mount --make-rprivate /
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mkdir -p "$root$folder"
IFS=,
for one in $mounts; do
  source=${one%%:*} target=$root$(echo "$one" | cut -d: -f2)
  if [ -f "$source" ]; then
    mkdir -p "$(dirname "$target")"
    touch "$target"
  else
    mkdir -p "$target"
  fi
  case $source in
    tmpfs) mount -t tmpfs -o size=16m tmpfs "$target" ;;
    *) mount --bind "$source" "$target" ;;
  esac
  case $one in *:ro) mount -o remount,ro,bind "$target" ;; esac
done
unset IFS
mount -o remount,ro,bind "$root"
exec chroot "$root" env --chdir="$folder" setpriv --reuid="$user" --regid="$user" --clear-groups --no-new-privs \
  --bounding-set="$rights" env "$@"
