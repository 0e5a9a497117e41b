#!/bin/sh
# The first process inside of a node's namespaces; they end with it. It gives the node folders, sysctls and a /run of its own, so
# that nothing of this machine is written to, tells its process id in FOLDER/init.pid, then waits and reaps what was orphaned.
set -e
folder=$1 name=$2 mode=$3

# The old /proc still knows the number by which the outside knows this shell.
read -r pid _ < /proc/self/stat
mount -t proc proc /proc
mount --make-rshared /
for place in var/lib var/log; do
  mkdir -p "$folder/$place"
  mount --bind "$folder/$place" "/$place"
done
mount -t tmpfs -o mode=755 tmpfs /run

# The kubelet sets these for the whole machine unless it finds them as it wants them.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file="$folder/sysctl/${setting%=*}"
  mkdir -p "$(dirname "$file")"
  echo "${setting#*=}" > "$file"
  mount --bind "$file" "/proc/sys/${setting%=*}"
done

# Cgroups have no namespace here: the node's pods get a branch of their own.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  for one in cpuset cpu io memory hugetlb pids; do
    echo "+$one" > /sys/fs/cgroup/cgroup.subtree_control 2> /dev/null || true
  done
  mkdir -p "/sys/fs/cgroup/$name"
else
  for hierarchy in /sys/fs/cgroup/*/; do mkdir -p "$hierarchy$name"; done
fi

ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
echo "$pid" > "$folder/init.pid.new"
mv "$folder/init.pid.new" "$folder/init.pid"
set +e
if [ "$mode" = guarded ]; then
  cat <&3 > /dev/null
else
  while :; do sleep 86400; done
fi
exit 0
