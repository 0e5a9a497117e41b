#!/bin/sh
# The outside of a node: makes namespaces of its own for processes, mounts and network, runs init.sh in them, and takes away what is left
# once that has ended, however it ended. Promises: the kernel ends every process, mount, route and rule of the node with init.sh.
#   machine.sh FOLDER NAME (guarded|detached)   descriptor 3, where guarded: a pipe; the node ends when its other end is closed
#   machine.sh FOLDER NAME clean                only takes away
here=$(dirname "$0") folder=${1:?} name=${2:?} mode=${3:?}

if [ "$mode" != clean ]; then
  echo $$ > "$folder/outside.pid"
  unshare --net --mount --pid --fork --kill-child=KILL --propagation slave sh "$here/init.sh" "$folder" "$name" "$mode"
fi
find /sys/fs/cgroup -depth -type d \( -path "*/$name" -o -path "*/$name/*" \) -exec rmdir {} + 2>/dev/null
rm -rf "$folder"
rmdir "$(dirname "$folder")" 2>/dev/null || true # where no other node is there
